package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// The authorities and keys of the cluster are kept in the datastore as well, encrypted with the
// token. That is why the token and the database restore everything, and why one does nothing
// without the other.

// bundleFile is a file in the datastore.
type bundleFile struct {
	Timestamp time.Time
	Content   []byte
}

// bundleFiles are the files that are kept, by their name in the bundle.
func (s *server) bundleFiles() map[string]string {
	return map[string]string{
		"ClientCA":           s.tls.cert("client-ca"),
		"ClientCAKey":        s.tls.key("client-ca"),
		"ServerCA":           s.tls.cert("server-ca"),
		"ServerCAKey":        s.tls.key("server-ca"),
		"RequestHeaderCA":    s.tls.cert("request-header-ca"),
		"RequestHeaderCAKey": s.tls.key("request-header-ca"),
		"ServiceKey":         s.tls.key("service"),
		"PasswdFile":         s.files.server("cred/passwd"),
		"EncryptionConfig":   s.files.encryptionConfig(),
	}
}

var errOtherToken = errors.New("bootstrap data already found and encrypted with different token")

// loadBundle brings back from the datastore what is not on disk. It reports whether there was one.
func (s *server) loadBundle(ctx context.Context, client *clientv3.Client) (bool, error) {
	answer, err := client.Get(ctx, "/bootstrap", clientv3.WithPrefix())
	if err != nil {
		return false, err
	}
	key := bundleKey(s.secret)
	for _, entry := range answer.Kvs {
		if string(entry.Key) == key {
			return true, s.unpack(entry.Value)
		}
	}
	if len(answer.Kvs) > 0 {
		return false, errOtherToken
	}
	return false, nil
}

// saveBundle puts it there the first time.
func (s *server) saveBundle(ctx context.Context, client *clientv3.Client) error {
	files := map[string]bundleFile{}
	for name, path := range s.bundleFiles() {
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		stat, err := os.Stat(path)
		if err != nil {
			return err
		}
		files[name] = bundleFile{stat.ModTime(), content}
	}
	plain, err := json.Marshal(files)
	if err != nil {
		return err
	}
	sealed, err := sealWith(s.secret, plain)
	if err != nil {
		return err
	}
	key := bundleKey(s.secret)
	_, err = client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, sealed)).
		Commit()
	return err
}

func (s *server) unpack(sealed []byte) error {
	plain, err := openWith(s.secret, string(sealed))
	if err != nil {
		return err
	}
	var kept map[string]bundleFile
	if err := json.Unmarshal(plain, &kept); err != nil {
		return err
	}
	for name, path := range s.bundleFiles() {
		file, isKept := kept[name]
		if !isKept {
			continue
		}
		content, err := os.ReadFile(path)
		if err == nil && string(content) == string(file.Content) {
			continue
		}
		if stat, statErr := os.Stat(path); statErr == nil && stat.ModTime().After(file.Timestamp) {
			return fmt.Errorf("%s newer than datastore and could cause a cluster outage. "+
				"Remove the file(s) from disk and restart to be recreated from datastore", path)
		}
		info("Updating %s from datastore", path)
		if err := writeFile(path, file.Content, 0o600); err != nil {
			return err
		}
		if err := os.Chtimes(path, file.Timestamp, file.Timestamp); err != nil {
			return err
		}
	}
	return nil
}

// bundleKey is where the bundle of this secret is.
func bundleKey(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "/bootstrap/" + hex.EncodeToString(sum[:])[:12]
}

func sealWith(secret string, plain []byte) (string, error) {
	salt := make([]byte, 8)
	rand.Read(salt)
	box, err := boxFor(secret, salt)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, box.NonceSize())
	rand.Read(nonce)
	sealed := box.Seal(nonce, nonce, plain, nil)
	return hex.EncodeToString(salt) + ":" + base64.StdEncoding.EncodeToString(sealed), nil
}

func openWith(secret, text string) ([]byte, error) {
	saltText, sealedText, found := strings.Cut(text, ":")
	salt, saltErr := hex.DecodeString(saltText)
	sealed, sealedErr := base64.StdEncoding.DecodeString(sealedText)
	if !found || saltErr != nil || sealedErr != nil {
		return nil, errors.New("invalid cipher data, not : delimited")
	}
	box, err := boxFor(secret, salt)
	if err != nil {
		return nil, err
	}
	if len(sealed) < box.NonceSize() {
		return nil, errors.New("invalid cipher data, too short")
	}
	return box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], nil)
}

func boxFor(secret string, salt []byte) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha1.New, secret, salt, 4096, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
