package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// apiClient speaks to the internal API server as the administrator.
type apiClient struct {
	base string
	http *http.Client
}

func (s *server) newAPIClient() (*apiClient, error) {
	pair, err := tls.LoadX509KeyPair(s.tls.cert("client-admin"), s.tls.key("client-admin"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(s.tls.cert("server-ca"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &apiClient{
		base: s.settings.apiURL(),
		http: &http.Client{
			Timeout: 10 * time.Second,
			Transport: &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
			},
		},
	}, nil
}

// call sends an object, or nothing, and returns the status code and the answer.
func (c *apiClient) call(ctx context.Context, method, path, contentType string, object any) (int, []byte, error) {
	var body io.Reader
	if object != nil {
		content, err := json.Marshal(object)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(content)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", contentType)
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return answer.StatusCode, content, err
}

func (c *apiClient) get(ctx context.Context, path string) (int, []byte, error) {
	return c.call(ctx, http.MethodGet, path, "application/json", nil)
}

func (c *apiClient) create(ctx context.Context, path string, object any) (int, []byte, error) {
	return c.call(ctx, http.MethodPost, path, "application/json", object)
}

// apply brings an object to what is given here, and leaves what others have put into it.
func (c *apiClient) apply(ctx context.Context, path string, object any) error {
	path += "?fieldManager=k3s-shaped&force=true"
	code, content, err := c.call(ctx, http.MethodPatch, path, "application/apply-patch+yaml", object)
	if err != nil {
		return err
	}
	if code >= 300 {
		return fmt.Errorf("%s: %s", path, content)
	}
	return nil
}

// isReady asks /readyz.
func (c *apiClient) isReady(ctx context.Context) error {
	code, content, err := c.get(ctx, "/readyz")
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%d %s", code, bytes.TrimSpace(content))
	}
	return err
}
