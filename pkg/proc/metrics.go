package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// HTTPOff as DMONITOR_HTTP_LISTEN means that nothing is served.
const HTTPOff = "off"

// Bounds of the HTTP server. Whoever scrapes asks every few seconds, one at a time; a page is some 20 KB.
const (
	httpHeaderWait = 5 * time.Second
	httpReadWait   = 10 * time.Second
	httpWriteWait  = 30 * time.Second
	httpIdleWait   = 2 * time.Minute
	httpStopWait   = 2 * time.Second // for requests that are under way at the stop
	httpHeaderMost = 16 << 10        // bytes
	httpAgain      = 5 * time.Second // until a taken address is tried again
	scrapesAtOnce  = 4
)

// newRegistry makes the registry of a process, with what the process tells of itself: its build, Go's runtime, and what
// the operating system counts.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "dmonitor_build_info", Help: "Always 1; the labels tell which dmonitor this is.",
		ConstLabels: prometheus.Labels{"version": Version(), "goversion": runtime.Version()},
	})
	build.Set(1)
	r.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// newPages serves /metrics and /healthz. The latter says that this process lives and answers, no more: whether the nodes
// look is what `dmonitor status` tells.
func newPages(r *prometheus.Registry) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesAtOnce}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n") // who has gone away needs no answer
	})
	return mux
}

// checkHTTP refuses an address that can't be one, and one that other hosts can reach.
func (e *Env) checkHTTP() error {
	if e.HTTPListen == HTTPOff {
		return nil
	}
	host, port, err := net.SplitHostPort(e.HTTPListen)
	if err != nil {
		return fmt.Errorf("%q: want host:port, such as 127.0.0.1:8080, or %s", e.HTTPListen, HTTPOff)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: the port is no number from 0 to 65535", e.HTTPListen)
	}
	if e.Insecure || loopback(host) {
		return nil
	}
	return fmt.Errorf("%q: nothing is encrypted yet, and anybody who reaches this address could read what is served there, "+
		"so only loopback addresses are allowed; set %sHTTP_LISTEN=%s, or %sINSECURE=true on a network you trust",
		e.HTTPListen, Prefix, net.JoinHostPort("127.0.0.1", port), Prefix)
}

// loopback tells whether only processes of this host can connect to an address of this host part.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// serveHTTP serves the process's pages on DMONITOR_HTTP_LISTEN until ctx ends. It never fails: hosts are watched and
// people are told whether or not somebody else has taken this address, so that is a warning, and it is tried again.
func (p *Process) serveHTTP(ctx context.Context) error {
	if p.Env.HTTPListen == HTTPOff {
		return nil
	}
	for warned := false; ctx.Err() == nil; {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", p.Env.HTTPListen)
		if err == nil {
			warned = false
			p.tellHTTP(l)
			err = p.servePages(ctx, l)
		}
		if err != nil && !warned {
			warned = true
			p.Log.Warn().Err(err).Msg("metrics are not served: " + remedyHTTP(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(httpAgain):
		}
	}
	return nil
}

func (p *Process) tellHTTP(l net.Listener) {
	p.Log.Info().Msgf("metrics are on http://%s/metrics", l.Addr())
	if host, _, err := net.SplitHostPort(p.Env.HTTPListen); err == nil && !loopback(host) {
		p.Log.Warn().Msgf("INSECURE: %sHTTP_LISTEN=%s is open to other hosts, without encryption or passwords "+
			"(%sINSECURE=true): whoever reaches it can read what is served there", Prefix, p.Env.HTTPListen, Prefix)
	}
}

func remedyHTTP(err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return "another process, perhaps another dmonitor, listens there; stop it, or set " + Prefix +
			"HTTP_LISTEN to another address or to " + HTTPOff + ". It is tried again"
	}
	return Prefix + "HTTP_LISTEN says where. It is tried again"
}

// servePages serves on l until ctx ends, and then waits a moment for those who are being answered.
func (p *Process) servePages(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: p.HTTP, MaxHeaderBytes: httpHeaderMost, ReadHeaderTimeout: httpHeaderWait,
		ReadTimeout: httpReadWait, WriteTimeout: httpWriteWait, IdleTimeout: httpIdleWait,
		ErrorLog: slog.NewLogLogger(zerolog.NewSlogHandler(p.Log), slog.LevelDebug), // what clients do wrong, mostly
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpStopWait)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		_ = srv.Close() // they had their moment
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
