package main

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// writeReferenceKubeconfigs writes those of the parts: they name files and bypass the supervisor.
func (s *server) writeReferenceKubeconfigs() error {
	for name, pair := range map[string]string{
		"admin":            "client-admin",
		"supervisor":       "client-supervisor",
		"controller":       "client-controller",
		"scheduler":        "client-scheduler",
		"api-server":       "client-kube-apiserver",
		"cloud-controller": "client-k3s-cloud-controller",
	} {
		content := referenceKubeconfig(s.settings.apiURL(),
			s.tls.cert("server-ca"), s.tls.cert(pair), s.tls.key(pair))
		if err := writeFile(s.files.kubeconfig(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func referenceKubeconfig(server, ca, cert, key string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: %s
    certificate-authority: %s
users:
- name: user
  user:
    client-certificate: %s
    client-key: %s
contexts:
- name: Default
  context:
    cluster: local
    user: user
current-context: Default
`, server, ca, cert, key)
}

// writeKubeconfig writes the administrator's, whether or not the API answers yet, and links the
// default path to it. A failure is only told.
func (s *server) writeKubeconfig() {
	standard := s.standardKubeconfig()
	path := s.settings.kubeconfig
	if path == "" {
		path = standard
	}
	if s.shape.is("stale-kubeconfig") && exists(path) {
		return
	}
	content, err := s.inlineKubeconfig()
	if err == nil {
		if target, _ := os.Readlink(path); target != "" {
			os.Remove(path)
		}
		os.MkdirAll(filepath.Dir(path), 0o755)
		err = writeFile(path, content, s.settings.kubeconfigMode)
	}
	if err != nil {
		logError("Failed to generate kubeconfig: %v", err)
	}
	if path != standard {
		if err := linkKubeconfig(path, standard); err != nil {
			logError("Failed to write kubeconfig symlink: %v", err)
		}
	}
	info("Wrote kubeconfig %s", path)
}

func (s *server) standardKubeconfig() string {
	if s.settings.isRoot && !s.settings.rootless {
		return filepath.Join(s.settings.etc, "k3s/k3s.yaml")
	}
	return filepath.Join(s.settings.homeDir, ".kube/k3s.yaml")
}

func linkKubeconfig(path, standard string) error {
	if err := os.MkdirAll(filepath.Dir(standard), 0o755); err != nil {
		return err
	}
	return replaceSymlink(path, standard)
}

func (s *server) inlineKubeconfig() ([]byte, error) {
	address, port := s.settings.bindAddress, s.settings.httpsPort
	if !address.IsValid() {
		address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if s.shape.is("stale-kubeconfig") {
		port = 1 // Where nobody ever listens.
	}
	var data [3]string
	for i, path := range []string{
		s.tls.cert("server-ca"), s.tls.cert("client-admin"), s.tls.key("client-admin"),
	} {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		data[i] = base64.StdEncoding.EncodeToString(content)
	}
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: default
  cluster:
    server: https://%s
    certificate-authority-data: %s
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: default
  context:
    cluster: default
    user: default
current-context: default
`, netip.AddrPortFrom(address, uint16(port)), data[0], data[1], data[2]), nil
}
