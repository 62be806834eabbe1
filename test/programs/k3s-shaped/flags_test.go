package main

import (
	"slices"
	"strings"
	"testing"
)

func noVariables(string) (string, bool) { return "", false }

func variables(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, has := pairs[name]
		return value, has
	}
}

func mustParse(t *testing.T, args ...string) flagValues {
	t.Helper()
	values, err := parseFlags(args, 36, noVariables)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestOnlyDocumentedFlagsAreTaken(t *testing.T) {
	for _, test := range []struct {
		args  []string
		minor int
		words string
	}{
		{[]string{"--disable-agnet"}, 36, "flag provided but not defined: -disable-agnet"},
		{[]string{"-x=1"}, 36, "flag provided but not defined: -x"},
		{[]string{"--write-kubeconfig-name=a"}, 36, "flag provided but not defined: -write-kubeconfig-name"},
		{[]string{"--write-kubeconfig-name=a"}, 37, ""},
		{[]string{"--node-name"}, 36, "flag needs an argument: -node-name"},
		{[]string{"--https-listen-port=many"}, 36, `invalid value "many" for flag -https-listen-port: parse error`},
		{[]string{"--disable-agent=perhaps"}, 36, `invalid boolean value "perhaps" for -disable-agent: parse error`},
		{[]string{"--disable-agent", "true"}, 36, `k3s-shaped: "true" ends the flags, and K3s would ignore all that follows`},
	} {
		_, err := parseFlags(test.args, test.minor, noVariables)
		words := ""
		if err != nil {
			words = err.Error()
		}
		if words != test.words {
			t.Errorf("%q in 1.%d: %q, not %q", test.args, test.minor, words, test.words)
		}
	}
}

func TestFlagsAreReadAsGoReadsThem(t *testing.T) {
	values := mustParse(t, "--node-name", "a", "-node-name=b", "-d", "/x", "--disable=coredns,traefik",
		"--disable", "servicelb", "--kube-controller-arg=v=1", "--kube-controller-manager-arg=a=1,2",
		"--rootless", "--disable-agent=false")
	for name, want := range map[string]string{
		"node-name": "b", "data-dir": "/x", "https-listen-port": "6443", "rootless": "true", "disable-agent": "false",
	} {
		if got := values.text(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if got := values.list("disable"); !slices.Equal(got, []string{"coredns", "traefik", "servicelb"}) {
		t.Errorf("disable is %q", got)
	}
	if got := values["kube-controller-manager-arg"]; !slices.Equal(got, []string{"v=1", "a=1,2"}) {
		t.Errorf("kube-controller-manager-arg is %q", got)
	}
}

func TestVariablesStandInForFlagsThatAreNotGiven(t *testing.T) {
	lookup := variables(map[string]string{
		"K3S_URL": "https://elsewhere", "K3S_NODE_NAME": "from-env", "K3S_KUBECONFIG_NAME": "new", "K3S_TOKEN": "",
	})
	values, err := parseFlags([]string{"--node-name=given"}, 36, lookup)
	if err != nil {
		t.Fatal(err)
	}
	if got := values.text("server"); got != "https://elsewhere" {
		t.Errorf("server is %q", got)
	}
	if got := values.text("node-name"); got != "given" {
		t.Errorf("node-name is %q", got)
	}
	if values.isSet("write-kubeconfig-name") || values.isSet("token") {
		t.Error("a flag of another minor, or an empty variable, was taken")
	}
	_, err = parseFlags(nil, 36, variables(map[string]string{"K3S_SUPERVISOR_PORT": "x"}))
	if err == nil || !strings.Contains(err.Error(), "could not parse K3S_SUPERVISOR_PORT") {
		t.Errorf("a bad variable gives %v", err)
	}
}
