package main

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var testHost = host{
	uid:            0,
	hostname:       "Testhost",
	homeDir:        "/home/test",
	etc:            "/etc/rancher",
	defaultAddress: func() (netip.Addr, error) { return netip.Addr{}, errors.New("no default routes found") },
	readFile:       func(string) ([]byte, error) { return []byte(" of-the-file\n"), nil },
}

func settingsOf(version string, at host, args ...string) (settings, error) {
	shape := shape{Version: version}
	args = append([]string{"--disable-agent", "--egress-selector-mode=disabled", "--flannel-backend=none"}, args...)
	flags, err := parseFlags(args, shape.minor(), noVariables)
	if err != nil {
		return settings{}, err
	}
	return settingsFor(flags, shape, at)
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	for args, words := range map[string]string{
		"":                                  "no default routes found",
		"--node-ip=10.0.0.300":              "invalid node-ip",
		"--node-ip=::2 --cluster-cidr=fd00": "invalid cluster-cidr fd00: invalid CIDR address: fd00",
		"--node-ip=::2 --service-cidr=fd/8": "invalid service-cidr fd/8",
		"--node-ip=::2 --service-cidr=10.0.0.0/24":        "are of two families",
		"--node-ip=::2 --cluster-dns=here":                "invalid cluster-dns address here",
		"--node-ip=::2 --bind-address=here":               "invalid bind-address",
		"--node-ip=::2 --advertise-address=here":          "invalid advertise-address",
		"--node-ip=::2 --https-listen-port=65535":         "65536 is no port",
		"--node-ip=::2 --service-node-port-range=2-1":     "invalid port range 2-1",
		"--node-ip=::2 --disable=corends":                 "--disable=corends disables nothing",
		"--node-ip=::2 --egress-selector-mode=off":        "invalid egress-selector-mode off",
		"--node-ip=::2 --flannel-backend=off":             "invalid flannel-backend off",
		"--node-ip=::2 --write-kubeconfig-mode=rw":        `"rw" is no mode of a file`,
		"--node-ip=::2 --node-name=A_B":                   `invalid node name "a_b"`,
		"--node-ip=::2 --log=/tmp/log":                    "it does not stand in for --log",
		"--node-ip=::2 --cluster-init":                    "it does not stand in for --cluster-init",
		"--node-ip=::2 --datastore-endpoint=mysql://x":    "it does not stand in for --datastore-endpoint",
		"--node-ip=::2 --disable-agent=false":             "without --disable-agent",
		"--node-ip=::2 --apiserver-bind-address=nowhere6": "invalid apiserver-bind-address",
	} {
		_, err := settingsOf("v1.36.4+k3s1", testHost, strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q gives %v", args, err)
		}
	}
}

func TestThePortsAndAddressesThatFollowFromFlags(t *testing.T) {
	set, err := settingsOf("v1.36.4+k3s1", testHost, "--node-ip=fdaa::3", "--https-listen-port=7000", "--disable=servicelb",
		"--disable-cloud-controller", "--token-file=/x", "--token=other", "--bind-address=::")
	if err != nil {
		t.Fatal(err)
	}
	if set.supervisorPort != 7000 || set.apiPort != 7001 || set.advertisePort != 7000 {
		t.Errorf("ports %d, %d, %d", set.supervisorPort, set.apiPort, set.advertisePort)
	}
	if set.apiURL() != "https://[::1]:7001" || set.advertise.String() != "fdaa::3" || set.bindAddress.IsValid() {
		t.Errorf("%s, %s, %s", set.apiURL(), set.advertise, set.bindAddress)
	}
	if joined(set.serviceCIDRs) != "fd00:43::/112" || set.clusterDNS[0] != "fd00:43::a" {
		t.Errorf("%s, %s", joined(set.serviceCIDRs), set.clusterDNS)
	}
	if set.token != "of-the-file" || !set.disabled["ccm"] || set.nodeName != "testhost" {
		t.Errorf("%q, %v, %q", set.token, set.disabled, set.nodeName)
	}
	if set.dataDir != "/var/lib/rancher/k3s" {
		t.Errorf("data in %s", set.dataDir)
	}
	plain := testHost
	plain.uid = 1000
	set, err = settingsOf("v1.36.4+k3s1", plain, "--node-ip=10.0.0.2", "--rootless")
	if err != nil || set.apiURL() != "https://127.0.0.1:6444" || set.dataDir != "/home/test/.rancher/k3s" {
		t.Errorf("%s, %s, %v", set.apiURL(), set.dataDir, err)
	}
}

func TestTheAdvertisedAddressIsANameFromOneThirtySevenOn(t *testing.T) {
	for version, want := range map[string]bool{"v1.36.4+k3s1": false, "v1.37.1+k3s1": true} {
		set, err := settingsOf(version, testHost, "--node-ip=fdaa::3", "--advertise-address=fdaa::4", "--tls-san=api.test")
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(set.sans, "fdaa::4") != want {
			t.Errorf("%s has %q", version, set.sans)
		}
		for _, name := range []string{"api.test", "fdaa::3", "fd00:43::1", "localhost", "testhost"} {
			if !slices.Contains(set.sans, name) {
				t.Errorf("%s lacks %s", version, name)
			}
		}
	}
}
