package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// user is who asks: a client certificate's, or one of cred/passwd.
type user struct {
	name     string
	password string
	groups   []string
	// credential names the certificate, as the API server would name it.
	credential string
}

// gate is what the supervisor lets through by now.
type gate struct {
	handlers    atomic.Bool // its own paths are answered
	apiServer   atomic.Bool // the API server takes connections
	controllers atomic.Bool // the core controllers run
	deaf        atomic.Bool // nothing is answered any more
}

// listen opens the supervisor's port on every address it is for, beside whoever has it already.
func (s *server) listen() ([]net.Listener, error) {
	addresses := []netip.Addr{s.settings.bindAddress}
	if s.settings.bindAddress.IsValid() {
		for _, local := range []string{"127.0.0.1", "::1"} {
			if address := netip.MustParseAddr(local); address != s.settings.bindAddress {
				addresses = append(addresses, address)
			}
		}
	}
	config := net.ListenConfig{Control: reusePort}
	var listeners []net.Listener
	for i, address := range addresses {
		host := ""
		if address.IsValid() {
			host = address.String()
		}
		target := net.JoinHostPort(host, fmt.Sprint(s.settings.supervisorPort))
		listener, err := config.Listen(context.Background(), "tcp", target)
		if err != nil && i > 0 && strings.Contains(err.Error(), "cannot assign") {
			continue // A host without IPv6 on its loopback interface.
		}
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

func reusePort(_, _ string, connection syscall.RawConn) error {
	var failure error
	err := connection.Control(func(fd uintptr) {
		failure = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err != nil {
		return err
	}
	return failure
}

// serveSupervisor answers on the supervisor's port until the process ends.
func (s *server) serveSupervisor() error {
	listeners, err := s.listen()
	if err != nil {
		return err
	}
	certificate, err := s.servingCertificate()
	if err != nil {
		return err
	}
	proxy, err := s.newProxy()
	if err != nil {
		return err
	}
	clientCa, err := s.tls.authority("client-ca")
	if err != nil {
		return err
	}
	clients := x509.NewCertPool()
	clients.AddCert(clientCa.certificate)
	web := &http.Server{
		Handler: s.router(clients, proxy),
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			ClientAuth:   tls.RequestClientCert,
			Certificates: []tls.Certificate{certificate},
		},
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(lineWriter("info"), "", 0),
	}
	for _, listener := range listeners {
		go web.ServeTLS(listener, "", "")
	}
	return nil
}

func (s *server) router(clients *x509.CertPool, proxy http.Handler) http.Handler {
	own := http.NewServeMux()
	own.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "pong") })
	own.HandleFunc("/cacerts", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		http.ServeFile(w, r, s.tls.cert("server-ca"))
	})
	own.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir(s.files.server("static")))))
	agents := func(handler http.HandlerFunc) http.Handler {
		return s.only(clients, []string{"k3s:agent", "system:nodes"}, handler)
	}
	own.Handle("/v1-k3s/readyz", agents(s.answerReady))
	own.Handle("/v1-k3s/client-ca.crt", agents(s.answerFile(s.tls.cert("client-ca"))))
	own.Handle("/v1-k3s/server-ca.crt", agents(s.answerFile(s.tls.cert("server-ca"))))
	own.Handle("/v1-k3s/client-kubelet.crt", agents(s.answerClientCertificate))
	own.Handle("/v1-k3s/serving-kubelet.crt", agents(s.answerServingCertificate))
	own.Handle("/v1-k3s/", s.only(clients, []string{"k3s:server"}, http.NotFound))

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.gate.deaf.Load() {
			<-r.Context().Done()
			return
		}
		if !s.gate.handlers.Load() {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		if _, pattern := own.Handler(r); pattern != "" {
			own.ServeHTTP(w, r)
			return
		}
		probe := r.URL.Path == "/readyz" || r.URL.Path == "/livez"
		if probe && s.shape.is("unauthorized") {
			answerStatus(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
			return
		}
		if !s.gate.apiServer.Load() {
			answerStatus(w, http.StatusServiceUnavailable, "ServiceUnavailable", "apiserver not ready")
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, certificateUser(r, clients)))
		proxy.ServeHTTP(w, r)
	})
}

// callerKey is under which a request carries the user of its certificate.
type callerKey struct{}

// only lets those in who are in one of these groups: 401 for nobody, 403 for somebody else.
func (s *server) only(clients *x509.CertPool, groups []string, handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := certificateUser(r, clients)
		if caller == nil {
			caller = s.passwdUser(r)
		}
		if caller == nil {
			w.Header().Set("WWW-Authenticate", "Basic realm=k3s")
			http.Error(w, "not authorized", http.StatusUnauthorized)
			return
		}
		if !slices.ContainsFunc(groups, func(group string) bool { return slices.Contains(caller.groups, group) }) {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		handler(w, r)
	})
}

func (s *server) passwdUser(r *http.Request) *user {
	name, password, has := r.BasicAuth()
	known, isKnown := s.users[name]
	if !has || !isKnown || known.password != password {
		return nil
	}
	return &known
}

// certificateUser is who the client's certificate says it is, when our CA has signed it.
func certificateUser(r *http.Request, clients *x509.CertPool) *user {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	certificate := r.TLS.PeerCertificates[0]
	others := x509.NewCertPool()
	for _, other := range r.TLS.PeerCertificates[1:] {
		others.AddCert(other)
	}
	_, err := certificate.Verify(x509.VerifyOptions{
		Roots:         clients,
		Intermediates: others,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil || certificate.Subject.CommonName == "" {
		return nil
	}
	return &user{
		name:       certificate.Subject.CommonName,
		groups:     certificate.Subject.Organization,
		credential: credentialOf(certificate),
	}
}

func (s *server) answerReady(w http.ResponseWriter, _ *http.Request) {
	if !s.gate.controllers.Load() {
		http.Error(w, "core not ready", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprint(w, "ok")
}

func (s *server) answerFile(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write(content)
	}
}

// answerStatus answers as the API server does when it refuses.
func answerStatus(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",`+
		`"message":%q,"reason":%q,"code":%d}`+"\n", message, reason, code)
}
