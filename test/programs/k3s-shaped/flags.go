package main

import (
	"fmt"
	"strconv"
	"strings"
)

type flagKind int

const (
	text flagKind = iota
	texts
	number
	truth
)

type flagSpec struct {
	kind flagKind
	// env is the variable that stands in for a flag that is not given.
	env string
	// value is the default.
	value string
	// since is the first Kubernetes minor whose K3s knows it; 0 for all.
	since int
	// same is the flag that this one is another name of.
	same string
}

// documented are the flags of `k3s server`.
var documented = map[string]flagSpec{
	"config":          {env: "K3S_CONFIG_FILE"},
	"c":               {same: "config"},
	"debug":           {kind: truth, env: "K3S_DEBUG"},
	"v":               {kind: number},
	"vmodule":         {},
	"log":             {},
	"l":               {same: "log"},
	"alsologtostderr": {kind: truth},

	"bind-address":               {},
	"https-listen-port":          {kind: number, value: "6443"},
	"advertise-address":          {},
	"advertise-port":             {kind: number},
	"tls-san":                    {kind: texts},
	"tls-san-security":           {kind: truth, value: "true"},
	"supervisor-port":            {kind: number, env: "K3S_SUPERVISOR_PORT"},
	"apiserver-port":             {kind: number, env: "K3S_APISERVER_PORT"},
	"apiserver-bind-address":     {env: "K3S_APISERVER_BIND_ADDRESS"},
	"data-dir":                   {env: "K3S_DATA_DIR"},
	"d":                          {same: "data-dir"},
	"cluster-cidr":               {kind: texts},
	"service-cidr":               {kind: texts},
	"service-node-port-range":    {value: "30000-32767"},
	"cluster-dns":                {kind: texts},
	"cluster-domain":             {value: "cluster.local"},
	"flannel-backend":            {value: "vxlan"},
	"flannel-ipv6-masq":          {kind: truth},
	"flannel-external-ip":        {kind: truth},
	"egress-selector-mode":       {value: "agent"},
	"servicelb-namespace":        {value: "kube-system"},
	"write-kubeconfig":           {env: "K3S_KUBECONFIG_OUTPUT"},
	"o":                          {same: "write-kubeconfig"},
	"write-kubeconfig-mode":      {env: "K3S_KUBECONFIG_MODE"},
	"write-kubeconfig-group":     {env: "K3S_KUBECONFIG_GROUP"},
	"write-kubeconfig-name":      {env: "K3S_KUBECONFIG_NAME", since: 37},
	"helm-job-image":             {},
	"token":                      {env: "K3S_TOKEN"},
	"t":                          {same: "token"},
	"token-file":                 {env: "K3S_TOKEN_FILE"},
	"agent-token":                {env: "K3S_AGENT_TOKEN"},
	"agent-token-file":           {env: "K3S_AGENT_TOKEN_FILE"},
	"server":                     {env: "K3S_URL"},
	"s":                          {same: "server"},
	"cluster-init":               {kind: truth, env: "K3S_CLUSTER_INIT"},
	"cluster-reset":              {kind: truth, env: "K3S_CLUSTER_RESET"},
	"cluster-reset-restore-path": {},

	"kube-apiserver-arg":                {kind: texts},
	"etcd-arg":                          {kind: texts},
	"kube-controller-manager-arg":       {kind: texts},
	"kube-controller-arg":               {same: "kube-controller-manager-arg"},
	"kube-scheduler-arg":                {kind: texts},
	"kube-cloud-controller-manager-arg": {kind: texts},
	"kube-cloud-controller-arg":         {same: "kube-cloud-controller-manager-arg"},

	"kine-tls":                    {kind: truth},
	"datastore-endpoint":          {env: "K3S_DATASTORE_ENDPOINT"},
	"datastore-cafile":            {env: "K3S_DATASTORE_CAFILE"},
	"datastore-certfile":          {env: "K3S_DATASTORE_CERTFILE"},
	"datastore-keyfile":           {env: "K3S_DATASTORE_KEYFILE"},
	"etcd-expose-metrics":         {kind: truth},
	"etcd-disable-snapshots":      {kind: truth},
	"etcd-snapshot-name":          {},
	"etcd-snapshot-schedule-cron": {},
	"etcd-snapshot-retention":     {kind: number},
	"etcd-snapshot-dir":           {},
	"etcd-snapshot-compress":      {kind: truth},
	"etcd-s3":                     {kind: truth},
	"etcd-s3-endpoint":            {},
	"etcd-s3-endpoint-ca":         {},
	"etcd-s3-skip-ssl-verify":     {kind: truth},
	"etcd-s3-access-key":          {},
	"etcd-s3-secret-key":          {},
	"etcd-s3-bucket":              {},
	"etcd-s3-region":              {},
	"etcd-s3-folder":              {},
	"etcd-s3-insecure":            {kind: truth},
	"etcd-s3-timeout":             {},
	"default-local-storage-path":  {},

	"disable":                    {kind: texts},
	"disable-scheduler":          {kind: truth},
	"disable-cloud-controller":   {kind: truth},
	"disable-kube-proxy":         {kind: truth},
	"disable-network-policy":     {kind: truth},
	"disable-helm-controller":    {kind: truth},
	"disable-apiserver":          {kind: truth},
	"disable-controller-manager": {kind: truth},
	"disable-etcd":               {kind: truth},
	"embedded-registry":          {kind: truth},
	"supervisor-metrics":         {kind: truth},

	"node-name":                         {env: "K3S_NODE_NAME"},
	"with-node-id":                      {kind: truth},
	"node-label":                        {kind: texts},
	"node-taint":                        {kind: texts},
	"image-credential-provider-bin-dir": {},
	"image-credential-provider-config":  {},
	"docker":                            {kind: truth},
	"container-runtime-endpoint":        {},
	"default-runtime":                   {},
	"image-service-endpoint":            {},
	"disable-default-registry-endpoint": {kind: truth},
	"pause-image":                       {},
	"snapshotter":                       {},
	"private-registry":                  {},
	"system-default-registry":           {env: "K3S_SYSTEM_DEFAULT_REGISTRY"},
	"airgap-extra-registry":             {kind: texts},
	"node-ip":                           {kind: texts},
	"i":                                 {same: "node-ip"},
	"node-external-ip":                  {kind: texts},
	"node-internal-dns":                 {kind: texts},
	"node-external-dns":                 {kind: texts},
	"resolv-conf":                       {env: "K3S_RESOLV_CONF"},
	"flannel-iface":                     {},
	"flannel-conf":                      {},
	"flannel-cni-conf":                  {},
	"vpn-auth":                          {env: "K3S_VPN_AUTH"},
	"vpn-auth-file":                     {env: "K3S_VPN_AUTH_FILE"},
	"kubelet-arg":                       {kind: texts},
	"kube-proxy-arg":                    {kind: texts},
	"protect-kernel-defaults":           {kind: truth},
	"secrets-encryption":                {kind: truth},
	"secrets-encryption-provider":       {value: "aescbc"},
	"enable-pprof":                      {kind: truth},
	"rootless":                          {kind: truth},
	"prefer-bundled-bin":                {kind: truth},
	"selinux":                           {kind: truth, env: "K3S_SELINUX"},
	"lb-server-port":                    {kind: number, env: "K3S_LB_SERVER_PORT"},
	"disable-agent":                     {kind: truth},
}

// flagValues holds what was given, by the flag's first name.
type flagValues map[string][]string

// parseFlags reads a command line the way Go's flag package does, which stands behind K3s':
// one dash or two, `--name value` or `--name=value`, and `--name` or `--name=false` for a truth.
func parseFlags(args []string, minor int, lookup func(string) (string, bool)) (flagValues, error) {
	values := flagValues{}
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		name, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-"), "=")
		if !strings.HasPrefix(word, "-") || name == "" {
			return nil, fmt.Errorf("k3s-shaped: %q ends the flags, and K3s would ignore all that follows", word)
		}
		first, spec, known := specOf(name, minor)
		if !known {
			return nil, fmt.Errorf("flag provided but not defined: -%s", name)
		}
		if !hasValue && spec.kind == truth {
			value = "true"
		} else if !hasValue && len(args) == 0 {
			return nil, fmt.Errorf("flag needs an argument: -%s", name)
		} else if !hasValue {
			value, args = args[0], args[1:]
		}
		if err := spec.check(name, value); err != nil {
			return nil, err
		}
		values[first] = append(values[first], value)
	}
	for name, spec := range documented {
		value, isSet := lookup(spec.env)
		if spec.env == "" || !isSet || value == "" || len(values[name]) > 0 || spec.since > minor {
			continue
		}
		if err := spec.check(name, value); err != nil {
			return nil, fmt.Errorf("could not parse %s: %w", spec.env, err)
		}
		values[name] = []string{value}
	}
	return values, nil
}

// specOf finds a flag under its first name.
func specOf(name string, minor int) (string, flagSpec, bool) {
	spec, known := documented[name]
	if spec.same != "" {
		name, spec = spec.same, documented[spec.same]
	}
	return name, spec, known && spec.since <= minor
}

func (s flagSpec) check(name, value string) error {
	switch s.kind {
	case number:
		if _, err := strconv.Atoi(value); err != nil {
			return fmt.Errorf("invalid value %q for flag -%s: parse error", value, name)
		}
	case truth:
		if _, err := strconv.ParseBool(value); err != nil {
			return fmt.Errorf("invalid boolean value %q for -%s: parse error", value, name)
		}
	}
	return nil
}

func (v flagValues) isSet(name string) bool { return len(v[name]) > 0 }

// text is the last value given, else the default.
func (v flagValues) text(name string) string {
	if given := v[name]; len(given) > 0 {
		return given[len(given)-1]
	}
	return documented[name].value
}

func (v flagValues) truth(name string) bool {
	value, _ := strconv.ParseBool(v.text(name))
	return value
}

func (v flagValues) number(name string) int {
	value, _ := strconv.Atoi(v.text(name))
	return value
}

// list is all values given, each split at its commas.
func (v flagValues) list(name string) []string {
	var result []string
	for _, value := range v[name] {
		for _, item := range strings.Split(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				result = append(result, item)
			}
		}
	}
	return result
}
