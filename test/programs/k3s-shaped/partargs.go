package main

import (
	"fmt"
	"sort"
	"strings"
)

// mergedArgs puts a user's `--kube-…-arg` values over K3s' own: `key=v` takes the place of the
// default, `key+=v` comes behind it, `key-=v` before it, and what is given twice stays twice.
func mergedArgs(own map[string]string, given []string) []string {
	defaults := map[string]string{}
	for key, value := range own {
		defaults[key] = value
	}
	merged := map[string][]string{}
	for _, word := range given {
		key, value, hasValue := strings.Cut(strings.TrimPrefix(word, "--"), "=")
		if !hasValue {
			value = "true"
		}
		name := strings.TrimRight(key, "+-")
		before := merged[name]
		if initial, has := defaults[name]; has && name != key {
			before = append([]string{initial}, before...)
		}
		delete(defaults, name)
		if strings.HasSuffix(key, "-") {
			merged[name] = append([]string{value}, before...)
		} else {
			merged[name] = append(before, value)
		}
	}
	for name, value := range defaults {
		merged[name] = []string{value}
	}
	names := make([]string, 0, len(merged))
	for name := range merged {
		names = append(names, name)
	}
	sort.Strings(names)
	var args []string
	for _, name := range names {
		for _, value := range merged[name] {
			args = append(args, fmt.Sprintf("--%s=%s", name, value))
		}
	}
	return args
}

// The argument lists below are K3s' where upstream parts know the argument, and otherwise what comes
// closest: K3s' own API server advertises another port than it listens on, so endpoints.go does that.

func (s *server) kineArgs() []string {
	pragmas := "_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate"
	return []string{
		"--listen-address=unix://kine.sock",
		"--endpoint=sqlite://./db/state.db?" + pragmas,
		"--metrics-bind-address=0",
		"--log-format=json",
		"--compact-interval=0s",
	}
}

func (s *server) apiserverArgs() []string {
	set, tls := s.settings, s.tls
	issuer := "https://kubernetes.default.svc." + set.clusterDomain
	own := map[string]string{
		"etcd-servers":                       "unix://kine.sock",
		"bind-address":                       set.apiAddress.String(),
		"secure-port":                        fmt.Sprint(set.apiPort),
		"advertise-address":                  set.advertise.String(),
		"endpoint-reconciler-type":           "none",
		"tls-cert-file":                      tls.cert("serving-kube-apiserver"),
		"tls-private-key-file":               tls.key("serving-kube-apiserver"),
		"cert-dir":                           "tls/temporary-certs",
		"service-cluster-ip-range":           joined(set.serviceCIDRs),
		"service-node-port-range":            set.nodePorts,
		"allow-privileged":                   "true",
		"profiling":                          "false",
		"anonymous-auth":                     "false",
		"authorization-mode":                 "Node,RBAC",
		"enable-admission-plugins":           "NodeRestriction",
		"enable-bootstrap-token-auth":        "true",
		"client-ca-file":                     tls.cert("client-ca"),
		"service-account-issuer":             issuer,
		"api-audiences":                      issuer + ",k3s",
		"service-account-key-file":           tls.key("service"),
		"service-account-signing-key-file":   tls.key("service.current"),
		"kubelet-preferred-address-types":    "InternalIP,ExternalIP,Hostname",
		"kubelet-certificate-authority":      tls.cert("server-ca"),
		"kubelet-client-certificate":         tls.cert("client-kube-apiserver"),
		"kubelet-client-key":                 tls.key("client-kube-apiserver"),
		"requestheader-client-ca-file":       tls.cert("request-header-ca"),
		"requestheader-allowed-names":        authProxyName,
		"requestheader-username-headers":     "X-Remote-User",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"proxy-client-cert-file":             tls.cert("client-auth-proxy"),
		"proxy-client-key-file":              tls.key("client-auth-proxy"),
	}
	if set.egress != "disabled" {
		own["enable-aggregator-routing"] = "true"
	}
	if set.secretsEncryption {
		own["encryption-provider-config"] = s.files.encryptionConfig()
		own["encryption-provider-config-automatic-reload"] = "true"
	}
	return mergedArgs(own, set.apiserverArgs)
}

func (s *server) controllerManagerArgs() []string {
	set, tls := s.settings, s.tls
	own := s.clientArgs("controller", "kube-controller-manager")
	for key, value := range map[string]string{
		"secure-port":                      "10257",
		"allocate-node-cidrs":              "true",
		"cluster-cidr":                     joined(set.clusterCIDRs),
		"service-cluster-ip-range":         joined(set.serviceCIDRs),
		"controllers":                      "*,tokencleaner",
		"root-ca-file":                     tls.cert("server-ca"),
		"service-account-private-key-file": tls.key("service.current"),
		"use-service-account-credentials":  "true",
		"cluster-signing-kube-apiserver-client-cert-file": tls.cert("client-ca"),
		"cluster-signing-kube-apiserver-client-key-file":  tls.key("client-ca"),
		"cluster-signing-kubelet-client-cert-file":        tls.cert("client-ca"),
		"cluster-signing-kubelet-client-key-file":         tls.key("client-ca"),
		"cluster-signing-kubelet-serving-cert-file":       tls.cert("server-ca"),
		"cluster-signing-kubelet-serving-key-file":        tls.key("server-ca"),
		"cluster-signing-legacy-unknown-cert-file":        tls.cert("server-ca"),
		"cluster-signing-legacy-unknown-key-file":         tls.key("server-ca"),
	} {
		own[key] = value
	}
	if set.cloudController && s.shape.minor() <= 36 {
		own["controllers"] += ",-service,-route,-cloud-node-lifecycle"
	}
	return mergedArgs(own, set.controllerArgs)
}

func (s *server) schedulerArgs() []string {
	own := s.clientArgs("scheduler", "kube-scheduler")
	own["secure-port"] = "10259"
	return mergedArgs(own, s.settings.schedulerArgs)
}

// clientArgs are what the two that are only clients of the API server have in common.
func (s *server) clientArgs(kubeconfig, serving string) map[string]string {
	path := s.files.kubeconfig(kubeconfig)
	return map[string]string{
		"kubeconfig":                path,
		"authentication-kubeconfig": path,
		"authorization-kubeconfig":  path,
		"bind-address":              s.settings.loopback().String(),
		"tls-cert-file":             s.tls.cert(serving + "/" + serving),
		"tls-private-key-file":      s.tls.key(serving + "/" + serving),
		"profiling":                 "false",
		"leader-elect":              "false",
	}
}

// goneControllers are controllers that Kubernetes 1.37 no longer knows, under both of their names.
var goneControllers = []string{
	"service", "service-lb-controller",
	"route", "node-route-controller",
	"cloud-node-lifecycle", "cloud-node-lifecycle-controller",
}

// unknownController is the first controller in these arguments that this minor does not know.
// The upstream part is of an earlier minor and would take them all.
func unknownController(args []string, minor int) string {
	if minor < 37 {
		return ""
	}
	for _, arg := range args {
		value, found := strings.CutPrefix(arg, "--controllers=")
		if !found {
			continue
		}
		for _, name := range strings.Split(value, ",") {
			for _, gone := range goneControllers {
				if strings.TrimPrefix(name, "-") == gone {
					return gone
				}
			}
		}
	}
	return ""
}

func joined[T fmt.Stringer](items []T) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item.String()
	}
	return strings.Join(words, ",")
}
