package main

import (
	"context"
	"net/netip"
	"time"
)

type object = map[string]any

// keepEndpoints lets the kubernetes Service lead to the supervisor's port: the upstream API server
// would write down its own, where only this host reaches it. It returns after the first time.
func (s *server) keepEndpoints(ctx context.Context, client *apiClient) {
	for _, arg := range s.settings.apiserverArgs {
		if arg == "endpoint-reconciler-type=none" || arg == "--endpoint-reconciler-type=none" {
			return
		}
	}
	s.applyEndpoints(ctx, client)
	go every(ctx, 10*time.Second, func() { s.applyEndpoints(ctx, client) })
}

func (s *server) applyEndpoints(ctx context.Context, client *apiClient) {
	address, port := s.settings.advertise.String(), s.settings.advertisePort
	ports := []object{{"name": "https", "port": port, "protocol": "TCP"}}
	const namespace = "/namespaces/default/"
	err := client.apply(ctx, "/api/v1"+namespace+"endpoints/kubernetes", object{
		"apiVersion": "v1",
		"kind":       "Endpoints",
		"metadata": object{
			"name":   "kubernetes",
			"labels": object{"endpointslice.kubernetes.io/skip-mirror": "true"},
		},
		"subsets": []object{{"addresses": []object{{"ip": address}}, "ports": ports}},
	})
	if err == nil {
		err = client.apply(ctx, "/apis/discovery.k8s.io/v1"+namespace+"endpointslices/kubernetes", object{
			"apiVersion": "discovery.k8s.io/v1",
			"kind":       "EndpointSlice",
			"metadata": object{
				"name":   "kubernetes",
				"labels": object{"kubernetes.io/service-name": "kubernetes"},
			},
			"addressType": familyOf(s.settings.advertise),
			"endpoints":   []object{{"addresses": []string{address}, "conditions": object{"ready": true}}},
			"ports":       ports,
		})
	}
	if err != nil && ctx.Err() == nil {
		klogError("controller.go:163", "\"Unhandled Error\" err=%q", "unable to sync kubernetes service: "+err.Error())
	}
}

func familyOf(address netip.Addr) string {
	if address.Is6() {
		return "IPv6"
	}
	return "IPv4"
}

// every does it again and again, the first time after one interval.
func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}
