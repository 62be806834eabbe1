// Command name-client finds the addresses of names as programs in Go do: with the search list and
// the name server of /etc/resolv.conf. For each name it prints a line, addresses in order.
package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
)

func main() {
	failed := false
	for _, name := range os.Args[1:] {
		addresses, err := net.LookupHost(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "name-client:", err)
			failed = true
			continue
		}
		slices.Sort(addresses)
		fmt.Println(strings.Join(addresses, " "))
	}
	if failed {
		os.Exit(1)
	}
}
