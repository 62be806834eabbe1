package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/scrypt"
)

// A node asks the supervisor for its certificates with the agents' secret and a password of its own,
// which counts from the first time on.

func (s *server) answerClientCertificate(w http.ResponseWriter, r *http.Request) {
	s.answerCertificate(w, r, "client-kubelet", func(name string) leaf {
		return leaf{authority: "client-ca", name: "system:node:" + name, group: "system:nodes"}
	})
}

func (s *server) answerServingCertificate(w http.ResponseWriter, r *http.Request) {
	s.answerCertificate(w, r, "serving-kubelet", func(name string) leaf {
		sans := []string{name, "localhost", "127.0.0.1", "::1"}
		for _, address := range strings.Split(r.Header.Get("k3s-Node-IP"), ",") {
			if net.ParseIP(address) != nil {
				sans = append(sans, address)
			}
		}
		return leaf{authority: "server-ca", name: name, sans: sans}
	})
}

// answerCertificate signs the public key of the request; its subject and its names count for nothing.
func (s *server) answerCertificate(w http.ResponseWriter, r *http.Request, pair string, leafFor func(string) leaf) {
	name := strings.ToLower(r.Header.Get("k3s-Node-Name"))
	password := r.Header.Get("k3s-Node-Password")
	if name == "" || password == "" {
		http.Error(w, "node name or node password not set", http.StatusBadRequest)
		return
	}
	if name != s.settings.nodeName {
		if !s.gate.controllers.Load() {
			http.Error(w, "core not ready", http.StatusServiceUnavailable)
			return
		}
		if err := s.checkNodePassword(r.Context(), name, password); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
	}
	certificate, key, err := s.signFor(r, pair, leafFor(name))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Write(certificate)
	w.Write(key)
}

// signFor signs the request's key; whoever brings none gets the key that all such share, with it.
func (s *server) signFor(r *http.Request, pair string, leaf leaf) (certificate, key []byte, err error) {
	issuer, err := s.tls.authority(leaf.authority)
	if err != nil {
		return nil, nil, err
	}
	until := time.Now().Add(leafLife)
	if r.Method != http.MethodPost {
		shared, err := readKey(s.tls.key(pair))
		if err != nil {
			return nil, nil, err
		}
		if key, err = os.ReadFile(s.tls.key(pair)); err != nil {
			return nil, nil, err
		}
		certificate, err = issuer.issue(leaf, shared.Public(), until)
		return certificate, key, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return nil, nil, err
	}
	request, err := x509.ParseCertificateRequest(body)
	if err != nil {
		return nil, nil, err
	}
	if err := request.CheckSignature(); err != nil {
		return nil, nil, err
	}
	certificate, err = issuer.issue(leaf, request.PublicKey, until)
	return certificate, nil, err
}

// checkNodePassword compares with the Secret of the node, which the first password makes.
func (s *server) checkNodePassword(ctx context.Context, node, password string) error {
	const secrets = "/api/v1/namespaces/kube-system/secrets"
	name := node + ".node-password.k3s"
	code, content, err := s.client.get(ctx, secrets+"/"+name)
	if err != nil {
		return err
	}
	if code == http.StatusNotFound {
		hash, err := hashOf(password, nil)
		if err != nil {
			return err
		}
		code, content, err = s.client.create(ctx, secrets, object{
			"apiVersion": "v1",
			"kind":       "Secret",
			"metadata":   object{"name": name},
			"immutable":  true,
			"stringData": object{"hash": hash},
		})
		if err == nil && code >= 300 {
			err = fmt.Errorf("%s", content)
		}
		return err
	}
	var secret struct{ Data map[string][]byte }
	if err := json.Unmarshal(content, &secret); err != nil {
		return err
	}
	kept := string(secret.Data["hash"])
	fields := strings.Split(strings.TrimPrefix(kept, "$"), ":")
	if len(fields) < 2 {
		return errors.New("the node's password Secret holds no hash")
	}
	salt, err := hex.DecodeString(fields[1])
	if err != nil {
		return err
	}
	hash, err := hashOf(password, salt)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(hash), []byte(kept)) != 1 {
		return fmt.Errorf("unable to verify password for node %s: hash does not match", node)
	}
	return nil
}

func hashOf(password string, salt []byte) (string, error) {
	if salt == nil {
		salt = make([]byte, 8)
		rand.Read(salt)
	}
	key, err := scrypt.Key([]byte(password), salt, 1<<15, 8, 1, 64)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$1:%x:15:8:1:%s", salt, base64.RawStdEncoding.EncodeToString(key)), nil
}

// bootstrapAgent does for this server's own name what any agent does, although no agent runs: the
// password, the certificates, the kubeconfigs. Where the password cannot be written it never ends.
func (s *server) bootstrapAgent(ctx context.Context) error {
	for {
		err := s.writeAgentFiles()
		if err == nil {
			return nil
		}
		logError("Waiting to retrieve agent configuration; server is not ready: %v", err)
		sleep(ctx, 5*time.Second)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (s *server) writeAgentFiles() error {
	folder := s.settings.etc + "/node"
	if s.settings.rootless {
		folder = s.files.agent("etc/rancher/node")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if path := folder + "/password"; !exists(path) {
		if err := writeFile(path, []byte(randomHex(16)+"\n"), 0o600); err != nil {
			return err
		}
	}
	for _, name := range []string{"client-ca", "server-ca"} {
		if err := copyFile(s.tls.cert(name), s.files.agent(name+".crt")); err != nil {
			return err
		}
	}
	name := s.settings.nodeName
	agent := pki{folder: s.files.agent(), firstLeafDays: s.tls.firstLeafDays}
	for _, leaf := range []leaf{
		{"client-ca", "client-kubelet", "system:node:" + name, "system:nodes", nil},
		{"client-ca", "client-kube-proxy", "system:kube-proxy", "", nil},
		{"client-ca", "client-k3s-controller", "system:k3s-controller", "", nil},
		{"server-ca", "serving-kubelet", name, "", []string{name, "localhost", "127.0.0.1", "::1"}},
	} {
		issuer, err := s.tls.authority(leaf.authority)
		if err != nil {
			return err
		}
		if err := agent.ensureLeafBy(issuer, leaf); err != nil {
			return err
		}
	}
	return s.writeAgentKubeconfigs()
}

func (s *server) writeAgentKubeconfigs() error {
	url := fmt.Sprintf("https://%s", net.JoinHostPort(s.settings.loopback().String(), fmt.Sprint(s.settings.httpsPort)))
	for file, pair := range map[string]string{
		"kubelet": "client-kubelet", "kubeproxy": "client-kube-proxy", "k3scontroller": "client-k3s-controller",
	} {
		content := referenceKubeconfig(url, s.files.agent("server-ca.crt"),
			s.files.agent(pair+".crt"), s.files.agent(pair+".key"))
		if err := writeFile(s.files.agent(file+".kubeconfig"), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ensureEncryption writes the API server's encryption of Secrets, with a key made once.
func (s *server) ensureEncryption() error {
	path := s.files.encryptionConfig()
	if !s.settings.secretsEncryption || exists(path) {
		return nil
	}
	key := sha256.Sum256([]byte(randomHex(32)))
	content, err := json.Marshal(object{
		"apiVersion": "apiserver.config.k8s.io/v1",
		"kind":       "EncryptionConfiguration",
		"resources": []object{{
			"resources": []string{"secrets"},
			"providers": []object{
				{"aescbc": object{"keys": []object{{"name": "aescbckey", "secret": key[:]}}}},
				{"identity": object{}},
			},
		}},
	})
	if err != nil {
		return err
	}
	return writeFile(path, content, 0o600)
}
