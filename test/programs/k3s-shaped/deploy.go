package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

const deployInterval = 15 * time.Second

// roleBindings is rolebindings.yaml: what the server's own parts may do.
const roleBindings = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: kube-apiserver-kubelet-admin
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: system:kubelet-api-admin
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: kube-apiserver
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: system:k3s-controller
rules:
- apiGroups: [""]
  resources: [nodes, pods, endpoints, namespaces]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: system:k3s-controller
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: system:k3s-controller
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: system:k3s-controller
`

// stageManifests writes the packaged components that are wanted, and removes those that are not.
// Where K3s brings a whole component there is a ConfigMap here, for a test to see.
func (s *server) stageManifests() error {
	for _, item := range packagedItems {
		path := s.files.server("manifests", item+".yaml")
		if s.settings.disabled[item] {
			if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
				return err
			}
			continue
		}
		if s.shape.SourceBuild || item == "servicelb" {
			continue
		}
		content := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n"+
			"  name: k3s-shaped-%s\n  namespace: kube-system\n", item)
		if item == "rolebindings" {
			content = roleBindings
		}
		info("Writing manifest: %s", path)
		if err := writeFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// deployManifests applies what lies in server/manifests, at once and then whenever it has changed.
func (s *server) deployManifests(ctx context.Context) {
	applied := map[string][32]byte{}
	pass := func() {
		filepath.WalkDir(s.files.server("manifests"), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				s.deployOne(ctx, path, applied)
			}
			return nil
		})
	}
	pass()
	every(ctx, deployInterval, pass)
}

var manifestName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)\.(yaml|yml|json)$`)

func (s *server) deployOne(ctx context.Context, path string, applied map[string][32]byte) {
	switch filepath.Ext(path) {
	case ".yaml", ".yml", ".json":
	default:
		return
	}
	if exists(path + ".skip") {
		return
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return
	}
	sum := sha256.Sum256(content)
	if applied[path] == sum {
		return
	}
	if !manifestName.MatchString(filepath.Base(path)) {
		logError("Failed to process config: %s: the name of the file is no DNS-1123 name", path)
		return
	}
	command := exec.CommandContext(ctx, filepath.Join(s.home, "kube"),
		"kubectl", "--kubeconfig="+s.files.kubeconfig("admin"), "apply", "--filename="+path)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err = s.parts.launch(command); err == nil {
		err = command.Wait()
	}
	if err != nil {
		if ctx.Err() == nil {
			logError("Failed to process config: failed to process %s: %v: %s", path, err, bytes.TrimSpace(output.Bytes()))
		}
		return
	}
	applied[path] = sum
	info("Applied manifest %s", path)
}

// waitForRole ends everything when the role of K3s' own controller does not appear in time. Only a
// K3s that brings no manifests, or is told to deploy none, ever waits for it.
func (s *server) waitForRole(ctx context.Context, client *apiClient) {
	deadline := time.Now().Add(time.Duration(s.shape.RbacWaitSeconds * float64(time.Second)))
	for ctx.Err() == nil {
		code, _, err := client.get(ctx, "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:k3s-controller")
		if err == nil && code == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			s.requestShutdown("failed to wait for system:k3s-controller RBAC: timed out waiting for the condition")
			return
		}
		sleep(ctx, time.Second)
	}
}

// sleep waits, and not a moment longer than it is of use.
func sleep(ctx context.Context, duration time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(duration):
	}
}
