package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
)

func thisHost(shape shape) host {
	name, _ := os.Hostname()
	return host{
		uid:            os.Getuid(),
		hostname:       name,
		homeDir:        os.Getenv("HOME"),
		etc:            shape.Etc,
		defaultAddress: defaultAddress,
		readFile:       os.ReadFile,
	}
}

// defaultAddress is the first global address of the interface that has a default route.
func defaultAddress() (netip.Addr, error) {
	for _, table := range []struct {
		path        string
		destination int
		device      int
		isDefault   string
	}{
		{"/proc/net/route", 1, 0, "00000000"},
		{"/proc/net/ipv6_route", 0, 9, strings.Repeat("0", 32)},
	} {
		content, _ := os.ReadFile(table.path)
		for _, line := range strings.Split(string(content), "\n") {
			fields := strings.Fields(line)
			if len(fields) < 10 && table.device == 9 || len(fields) < 2 {
				continue
			}
			device := fields[table.device]
			if fields[table.destination] != table.isDefault || device == "lo" {
				continue
			}
			if address, found := addressOf(device); found {
				return address, nil
			}
		}
	}
	return netip.Addr{}, errors.New(
		`no default routes found in "/proc/net/route" or "/proc/net/ipv6_route"`)
}

func addressOf(device string) (netip.Addr, bool) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return netip.Addr{}, false
	}
	addresses, _ := link.Addrs()
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err == nil && prefix.Addr().IsGlobalUnicast() {
			return prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}
