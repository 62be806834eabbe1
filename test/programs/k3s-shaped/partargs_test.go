package main

import (
	"slices"
	"testing"
)

func TestWhatIsGivenReplacesOrJoinsTheDefault(t *testing.T) {
	own := map[string]string{"plugins": "NodeRestriction", "bind-address": "::1"}
	for _, test := range []struct{ given, want []string }{
		{nil, []string{"--bind-address=::1", "--plugins=NodeRestriction"}},
		{[]string{"plugins=Mine"}, []string{"--bind-address=::1", "--plugins=Mine"}},
		{[]string{"--plugins=Mine"}, []string{"--bind-address=::1", "--plugins=Mine"}},
		{[]string{"plugins+=Mine"}, []string{"--bind-address=::1", "--plugins=NodeRestriction", "--plugins=Mine"}},
		{[]string{"plugins-=Mine"}, []string{"--bind-address=::1", "--plugins=Mine", "--plugins=NodeRestriction"}},
		{[]string{"plugins=A", "plugins=B"}, []string{"--bind-address=::1", "--plugins=A", "--plugins=B"}},
		{[]string{"plugins+=A", "plugins-=B"}, []string{"--bind-address=::1", "--plugins=B", "--plugins=NodeRestriction", "--plugins=A"}},
		{[]string{"new-truth"}, []string{"--bind-address=::1", "--new-truth=true", "--plugins=NodeRestriction"}},
		{[]string{"gates=A=true"}, []string{"--bind-address=::1", "--gates=A=true", "--plugins=NodeRestriction"}},
	} {
		if got := mergedArgs(own, test.given); !slices.Equal(got, test.want) {
			t.Errorf("%q gives %q", test.given, got)
		}
	}
}

func TestControllersThatAreGoneInThatMinor(t *testing.T) {
	for _, test := range []struct {
		controllers string
		minor       int
		want        string
	}{
		{"*,tokencleaner,-route,-service", 36, ""},
		{"*,tokencleaner,-nodeipam", 37, ""},
		{"*,tokencleaner,-route,-service", 37, "route"},
		{"*,-cloud-node-lifecycle-controller", 37, "cloud-node-lifecycle-controller"},
	} {
		got := unknownController([]string{"--controllers=" + test.controllers}, test.minor)
		if got != test.want {
			t.Errorf("%s in 1.%d: %q", test.controllers, test.minor, got)
		}
	}
}
