package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"time"
)

// dynamicCertificate is server/tls/dynamic-cert.json: a Secret that the listener keeps on disk.
type dynamicCertificate struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]string `json:"metadata"`
	Type       string            `json:"type"`
	Data       map[string][]byte `json:"data"`
}

// servingCertificate is what the supervisor's port shows; the one on disk while it is good.
func (s *server) servingCertificate() (tls.Certificate, error) {
	issuer, err := s.tls.authority("server-ca")
	if err != nil {
		return tls.Certificate{}, err
	}
	path := s.tls.path("dynamic-cert.json")
	wanted := leaf{authority: "server-ca", name: "k3s", group: "k3s", sans: serviceNames(s.settings)}
	var kept dynamicCertificate
	life := leafLife
	if content, err := os.ReadFile(path); err == nil && json.Unmarshal(content, &kept) == nil {
		now, err := parseCertificate(kept.Data["tls.crt"])
		if err == nil && isGood(now, wanted, issuer) {
			return tls.X509KeyPair(kept.Data["tls.crt"], kept.Data["tls.key"])
		}
	} else if s.tls.firstLeafDays > 0 {
		life = time.Duration(s.tls.firstLeafDays) * day
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := issuer.issue(wanted, key.Public(), time.Now().Add(life))
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPem := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	content, err := json.Marshal(dynamicCertificate{
		APIVersion: "v1",
		Kind:       "Secret",
		Metadata:   map[string]string{"name": "k3s-serving", "namespace": "kube-system"},
		Type:       "kubernetes.io/tls",
		Data:       map[string][]byte{"tls.crt": cert, "tls.key": keyPem},
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := writeFile(path, content, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, keyPem)
}
