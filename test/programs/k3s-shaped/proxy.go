package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// In K3s one process serves the supervisor and the API. Here the API server is another process, to
// which the supervisor says who is calling, as an authenticating proxy does.

var throughNode = regexp.MustCompile(`^/api/v1/(nodes/[^/]+/proxy|namespaces/[^/]+/pods/[^/]+/(log|exec|attach|portforward|proxy))(/|$)`)

func (s *server) newProxy() (http.Handler, error) {
	target, err := url.Parse(s.settings.apiURL())
	if err != nil {
		return nil, err
	}
	transport, err := s.newTransport()
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			nameCaller(r.Out)
		},
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(lineWriter("error"), "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			answerStatus(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
		},
		ModifyResponse: s.claimVersion,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.settings.egress != "disabled" && throughNode.MatchString(r.URL.Path) {
			http.Error(w, "failed to find Session for client "+s.settings.nodeName, http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, r)
	}), nil
}

// nameCaller takes away what only a proxy may say, and says who the certificate's user is.
func nameCaller(r *http.Request) {
	for name := range r.Header {
		if strings.HasPrefix(http.CanonicalHeaderKey(name), "X-Remote-") {
			r.Header.Del(name)
		}
	}
	caller, _ := r.Context().Value(callerKey{}).(*user)
	if caller == nil {
		return
	}
	// The certificate comes first, whatever else the request brings.
	r.Header.Del("Authorization")
	r.Header.Set("X-Remote-User", caller.name)
	r.Header["X-Remote-Group"] = caller.groups
	r.Header.Set("X-Remote-Extra-Authentication.kubernetes.io%2fcredential-Id", caller.credential)
}

func credentialOf(certificate *x509.Certificate) string {
	return fmt.Sprintf("X509SHA256=%x", sha256.Sum256(certificate.Raw))
}

// transport reaches the API server as the proxy when a caller is named, as nobody otherwise; an
// upgrade needs a connection of HTTP/1.1.
type transport struct {
	named, plain               http.RoundTripper
	namedUpgrade, plainUpgrade http.RoundTripper
}

func (s *server) newTransport() (*transport, error) {
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(s.tls.cert("server-ca"))
	if err != nil {
		return nil, err
	}
	roots.AppendCertsFromPEM(ca)
	pair, err := tls.LoadX509KeyPair(s.tls.cert("client-auth-proxy"), s.tls.key("client-auth-proxy"))
	if err != nil {
		return nil, err
	}
	to := func(http2 bool, certificates ...tls.Certificate) http.RoundTripper {
		result := &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: certificates},
			ForceAttemptHTTP2:   http2,
			MaxIdleConnsPerHost: 32,
			DisableCompression:  true,
		}
		if !http2 {
			result.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		return result
	}
	return &transport{
		named: to(true, pair), plain: to(true),
		namedUpgrade: to(false, pair), plainUpgrade: to(false),
	}, nil
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	isNamed, isUpgrade := r.Header.Get("X-Remote-User") != "", r.Header.Get("Upgrade") != ""
	switch {
	case isNamed && isUpgrade:
		return t.namedUpgrade.RoundTrip(r)
	case isNamed:
		return t.named.RoundTrip(r)
	case isUpgrade:
		return t.plainUpgrade.RoundTrip(r)
	default:
		return t.plain.RoundTrip(r)
	}
}

// claimVersion makes the API tell the version that this executable claims to be.
func (s *server) claimVersion(r *http.Response) error {
	if r.Request.URL.Path != "/version" || r.StatusCode != http.StatusOK {
		return nil
	}
	content, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return err
	}
	version := map[string]any{}
	if err := json.Unmarshal(content, &version); err != nil {
		return err
	}
	version["gitVersion"], version["minor"] = s.shape.Version, strconv.Itoa(s.shape.minor())
	if content, err = json.Marshal(version); err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
	r.ContentLength = int64(len(content))
	r.Header.Set("Content-Length", strconv.Itoa(len(content)))
	return nil
}
