package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	day           = 24 * time.Hour
	caLife        = 3650 * day
	leafLife      = 365 * day
	renewBefore   = 120 * day
	authProxyName = "system:auth-proxy"
)

// pki is the folder server/tls.
type pki struct {
	folder string
	// firstLeafDays is how many days leaves have left that are issued where there was none.
	firstLeafDays int
}

func (p pki) path(name string) string { return filepath.Join(p.folder, name) }
func (p pki) cert(name string) string { return p.path(name + ".crt") }
func (p pki) key(name string) string  { return p.path(name + ".key") }

type leaf struct {
	authority string
	// path is the pair's name, relative to server/tls.
	path  string
	name  string
	group string
	// sans are those of a server; a client has none.
	sans []string
}

// leaves are all certificates that it issues for itself.
func leaves(set settings) []leaf {
	local := []string{"localhost", "127.0.0.1", "::1"}
	return []leaf{
		{"client-ca", "client-admin", "system:admin", "system:masters", nil},
		{"client-ca", "client-supervisor", "system:k3s-supervisor", "system:masters", nil},
		{"client-ca", "client-controller", "system:kube-controller-manager", "", nil},
		{"client-ca", "client-scheduler", "system:kube-scheduler", "", nil},
		{"client-ca", "client-kube-apiserver", "system:apiserver", "system:masters", nil},
		{"client-ca", "client-kube-proxy", "system:kube-proxy", "", nil},
		{"client-ca", "client-k3s-controller", "system:k3s-controller", "", nil},
		{"client-ca", "client-k3s-cloud-controller", "k3s-cloud-controller-manager", "", nil},
		{"request-header-ca", "client-auth-proxy", authProxyName, "", nil},
		{"server-ca", "serving-kube-apiserver", "kube-apiserver", "", serviceNames(set)},
		{"server-ca", "kube-scheduler/kube-scheduler", "kube-scheduler", "", local},
		{"server-ca", "kube-controller-manager/kube-controller-manager", "kube-controller-manager", "", local},
	}
}

func serviceNames(set settings) []string {
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	return append(append(names, "kubernetes.default.svc."+set.clusterDomain), set.sans...)
}

var authorities = []string{"client-ca", "server-ca", "request-header-ca"}

// ensure makes what is missing; a leaf is issued anew when less than 120 days of it remain, its names
// are not those wanted, or its authority is another one.
func (p pki) ensure(leaves []leaf) error {
	for _, name := range authorities {
		if err := p.ensureAuthority(name); err != nil {
			return err
		}
	}
	// Of the service accounts, and those that kubelets share which bring no key of their own.
	for _, name := range []string{"service", "client-kubelet", "serving-kubelet"} {
		if err := p.ensureKey(name); err != nil {
			return err
		}
	}
	if err := copyFile(p.key("service"), p.key("service.current")); err != nil {
		return err
	}
	for _, leaf := range leaves {
		if err := p.ensureLeaf(leaf); err != nil {
			return err
		}
	}
	return nil
}

func (p pki) ensureAuthority(name string) error {
	if exists(p.cert(name)) && exists(p.key(name)) {
		return copyFile(p.cert(name), p.path(name+".nochain.crt"))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serialNumber(),
		Subject:               pkix.Name{CommonName: fmt.Sprintf("k3s-%s@%d", name, now.Unix())},
		NotBefore:             now.Add(-time.Minute),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if err := writeKey(p.key(name), key); err != nil {
		return err
	}
	if err := writeFile(p.cert(name), certificatePem(der), 0o644); err != nil {
		return err
	}
	return copyFile(p.cert(name), p.path(name+".nochain.crt"))
}

func (p pki) ensureKey(name string) error {
	if exists(p.key(name)) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return writeKey(p.key(name), key)
}

func (p pki) ensureLeaf(leaf leaf) error {
	issuer, err := p.authority(leaf.authority)
	if err != nil {
		return err
	}
	return p.ensureLeafBy(issuer, leaf)
}

func (p pki) ensureLeafBy(issuer authority, leaf leaf) error {
	days := leafLife
	if now, err := readCertificate(p.cert(leaf.path)); err == nil && exists(p.key(leaf.path)) {
		if isGood(now, leaf, issuer) {
			return nil
		}
		info("certificate %s signed by %s: renewed", now.Subject, issuer.certificate.Subject)
	} else if p.firstLeafDays > 0 {
		days = time.Duration(p.firstLeafDays) * day
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	content, err := issuer.issue(leaf, key.Public(), time.Now().Add(days))
	if err != nil {
		return err
	}
	if err := writeKey(p.key(leaf.path), key); err != nil {
		return err
	}
	return writeFile(p.cert(leaf.path), content, 0o644)
}

func isGood(certificate *x509.Certificate, leaf leaf, issuer authority) bool {
	names := certificate.DNSNames
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}
	return time.Until(certificate.NotAfter) > renewBefore &&
		slices.Equal(sortedNames(names), sortedNames(leaf.sans)) &&
		certificate.CheckSignatureFrom(issuer.certificate) == nil
}

// authority is one of the three, ready to sign.
type authority struct {
	certificate *x509.Certificate
	pem         []byte
	key         *ecdsa.PrivateKey
}

func (p pki) authority(name string) (authority, error) {
	content, err := os.ReadFile(p.cert(name))
	if err != nil {
		return authority{}, err
	}
	certificate, err := parseCertificate(content)
	if err != nil {
		return authority{}, fmt.Errorf("%s: %w", p.cert(name), err)
	}
	key, err := readKey(p.key(name))
	if err != nil {
		return authority{}, err
	}
	return authority{certificate, content, key}, nil
}

// issue signs a leaf; what comes back is the leaf and the authority behind it.
func (a authority) issue(leaf leaf, publicKey any, until time.Time) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: serialNumber(),
		Subject:      pkix.Name{CommonName: leaf.name},
		NotBefore:    until.Add(-leafLife).Add(-time.Minute),
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if leaf.group != "" {
		template.Subject.Organization = []string{leaf.group}
	}
	if leaf.sans != nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, name := range sortedNames(leaf.sans) {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, publicKey, a.key)
	if err != nil {
		return nil, err
	}
	return append(certificatePem(der), a.pem...), nil
}

// sortedNames are names in one order and spelling, each once.
func sortedNames(names []string) []string {
	var result []string
	for _, name := range names {
		if address := net.ParseIP(name); address != nil {
			name = address.String()
		}
		result = append(result, name)
	}
	slices.Sort(result)
	return slices.Compact(result)
}

func serialNumber() *big.Int {
	number, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	return number
}

func readCertificate(path string) (*x509.Certificate, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseCertificate(content)
}

func parseCertificate(content []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("no certificate in it")
	}
	return x509.ParseCertificate(block.Bytes)
}

func certificatePem(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s: no key in it", path)
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if now, err := os.ReadFile(to); err == nil && bytes.Equal(now, content) {
		return nil
	}
	stat, err := os.Stat(from)
	if err != nil {
		return err
	}
	return writeFile(to, content, stat.Mode())
}
