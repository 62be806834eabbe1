package main

import (
	"os"
	"path/filepath"
)

// files are the paths below the data directory.
type files struct{ dataDir string }

func (f files) server(parts ...string) string {
	return filepath.Join(append([]string{f.dataDir, "server"}, parts...)...)
}

func (f files) agent(parts ...string) string {
	return filepath.Join(append([]string{f.dataDir, "agent"}, parts...)...)
}

func (f files) kubeconfig(name string) string { return f.server("cred", name+".kubeconfig") }

func (f files) encryptionConfig() string { return f.server("cred", "encryption-config.json") }

// makeFolders makes every folder of the server, for its owner alone.
func (f files) makeFolders() error {
	for _, folder := range []string{
		f.server("cred"), f.server("db"), f.server("etc"), f.server("manifests"), f.server("static"),
		f.server("tls/etcd"), f.server("tls/kube-scheduler"), f.server("tls/kube-controller-manager"),
		f.agent("etc/kubelet.conf.d"),
	} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// writeFile replaces a file in one step; a reader sees the old one or the new one.
func writeFile(path string, content []byte, mode os.FileMode) error {
	unfinished := path + ".tmp"
	if err := os.WriteFile(unfinished, content, mode); err != nil {
		return err
	}
	if err := os.Chmod(unfinished, mode); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}
