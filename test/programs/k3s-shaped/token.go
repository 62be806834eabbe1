package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// secretOf is the secret part of a token, given whole (K10<hash>::<user>:<secret>) or by itself.
func secretOf(token string) (string, error) {
	rest, isWhole := strings.CutPrefix(token, "K10")
	if !isWhole {
		if user, secret, found := strings.Cut(token, ":"); found && user == "server" {
			return secret, nil
		}
		return token, nil
	}
	_, credentials, found := strings.Cut(rest, "::")
	_, secret, hasUser := strings.Cut(credentials, ":")
	if !found || !hasUser || secret == "" {
		return "", errors.New(
			"failed to normalize token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>")
	}
	return secret, nil
}

// wholeToken is the token with the hash of the CA in front of it.
func wholeToken(serverCa []byte, user, secret string) string {
	return fmt.Sprintf("K10%x::%s:%s", sha256.Sum256(serverCa), user, secret)
}

// secretFor is the secret that was given, else the one of an earlier life, else a new one.
func secretFor(given, tokenFile string) (string, error) {
	if given != "" {
		return secretOf(given)
	}
	content, err := os.ReadFile(tokenFile)
	if err == nil {
		return secretOf(strings.TrimSpace(string(content)))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return randomHex(16), nil
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random)
	return hex.EncodeToString(random)
}

// writeTokens writes server/token, and the two names under which it can be found as well.
func (s *server) writeTokens() error {
	ca, err := os.ReadFile(s.tls.cert("server-ca"))
	if err != nil {
		return err
	}
	path := s.files.server("token")
	if err := writeFile(path, []byte(wholeToken(ca, "server", s.secret)+"\n"), 0o600); err != nil {
		return err
	}
	for _, name := range []string{"node-token", "agent-token"} {
		if err := replaceSymlink(path, s.files.server(name)); err != nil {
			return err
		}
	}
	info("Server node token is available at %s", path)
	return nil
}

// writePasswd writes the users of the supervisor's basic authentication.
func (s *server) writePasswd() error {
	agentSecret := s.secret
	if s.settings.agentToken != "" {
		given, err := secretOf(s.settings.agentToken)
		if err != nil {
			return err
		}
		agentSecret = given
	}
	s.users = map[string]user{
		"node":   {name: "node", password: agentSecret, groups: []string{"k3s:agent"}},
		"server": {name: "server", password: s.secret, groups: []string{"k3s:server"}},
	}
	lines := fmt.Sprintf("%s,node,node,k3s:agent\n%s,server,server,k3s:server\n", agentSecret, s.secret)
	return writeFile(s.files.server("cred/passwd"), []byte(lines), 0o600)
}
