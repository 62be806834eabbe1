// Command kube carries the upstream parts of a Kubernetes control plane in one static executable.
// The first argument chooses the part; everything after it is that part's own command line.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // CronJob time zones need no files of the host.

	"github.com/k3s-io/kine/pkg/app"
	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

var parts = map[string]func() *cobra.Command{
	"apiserver":          apiserver.NewAPIServerCommand,
	"controller-manager": controllermanager.NewControllerManagerCommand,
	"scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":            kubectl.NewDefaultKubectlCommand,
}

func main() {
	part := ""
	if len(os.Args) > 1 {
		part = os.Args[1]
		// Each part parses os.Args by itself and prints its own name from os.Args[0].
		os.Args = append([]string{filepath.Join(filepath.Dir(os.Args[0]), part)}, os.Args[2:]...)
	}

	if part == "kine" {
		if err := app.New().Run(os.Args); err != nil {
			fmt.Fprintln(os.Stderr, "kine:", err)
			os.Exit(1)
		}
		return
	}

	command, known := parts[part]
	if !known {
		fmt.Fprintln(os.Stderr, "usage: kube kine|apiserver|controller-manager|scheduler|kubectl [flags]")
		os.Exit(2)
	}
	os.Exit(cli.Run(command()))
}
