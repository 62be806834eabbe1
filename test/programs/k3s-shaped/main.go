// Command k3s-shaped stands in for K3s in tests, where K3s itself cannot be had.
//
// It takes K3s' command line and refuses what K3s does not document, writes K3s' files below the
// data directory, and runs the upstream parts (kine, kube-apiserver, kube-controller-manager,
// kube-scheduler) behind K3s' two ports: the supervisor's, with /ping, /cacerts and /v1-k3s/…, and
// the API server's on the next one. It keeps K3s' documented contract, traps included, and can be
// told to misbehave. It shares no code with K3s and proves nothing about K3s itself: a test that
// passes here says that fks-node does what the documents ask for, and no more.
//
//	k3s --version             prints the version of shape.json
//	k3s kubectl …             is <folder>/kube kubectl …
//	k3s server --disable-agent …
//
// Its folder, the one that holds the executable, also holds `kube` (the upstream executable) and, at
// will, `shape.json`, because a caller may scrub the environment. shape.go tells what may stand in it.
// Sentences that begin with "k3s-shaped:" are its own; K3s would not say them.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// homeVariable tells the extracted executable where the folder of the first one is.
const homeVariable = "_K3S_SHAPED_HOME"

func main() {
	home, extracted := os.LookupEnv(homeVariable)
	if extracted {
		// Before anything is read: what is read by then would be wiped as well.
		if err := setTitle(os.Args[0] + " server"); err != nil {
			fatal("k3s-shaped: %v", err)
		}
		os.Unsetenv(homeVariable)
	} else {
		executable, err := os.Executable()
		if err != nil {
			fatal("k3s-shaped: %v", err)
		}
		home = filepath.Dir(executable)
	}
	shape, err := readShape(filepath.Join(home, "shape.json"))
	if err != nil {
		fatal("k3s-shaped: %v", err)
	}

	command := ""
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	switch command {
	case "--version", "-v":
		fmt.Printf("k3s version %s (shaped)\ngo version %s\n", shape.Version, runtime.Version())
	case "kubectl":
		kubectl(filepath.Join(home, "kube"), filepath.Join(shape.Etc, "k3s/k3s.yaml"), os.Args[2:])
	case "server":
		serve(home, shape, extracted)
	default:
		fmt.Printf("No help topic for '%s'\n", command)
		os.Exit(3)
	}
}

// kubectl becomes the upstream kubectl, with the kubeconfig of the host when none is named.
func kubectl(kube, standard string, args []string) {
	if os.Getenv("KUBECONFIG") == "" {
		os.Setenv("KUBECONFIG", standard)
	}
	err := syscall.Exec(kube, append([]string{kube, "kubectl"}, args...), os.Environ())
	fatal("k3s-shaped: %s: %v", kube, err)
}

func serve(home string, shape shape, extracted bool) {
	args, err := withConfigFile(os.Args[2:], filepath.Join(shape.Etc, "k3s/config.yaml"), os.Getenv)
	if err != nil {
		fatal("%v", err)
	}
	flags, err := parseFlags(args, shape.minor(), os.LookupEnv)
	if err != nil {
		fmt.Printf("Incorrect Usage: %v\n\nUSAGE:\n   k3s server [OPTIONS]\n", err)
		fatal("Error: %v", err)
	}
	if !extracted {
		err := becomeExtracted(home, shape, flags)
		fatal("extracting data: %v", err)
	}
	settings, err := settingsFor(flags, shape, thisHost(shape))
	if err != nil {
		fatal("Error: %v", err)
	}
	os.Exit(newServer(home, shape, settings).run())
}
