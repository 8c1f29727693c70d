package main

import (
	"fmt"
	"net"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmonitor/dmonitor/plugins"
)

func TestMain(m *testing.M) {
	commands := map[string]func(){"dmonitor": main}
	for _, name := range plugins.Names() {
		commands[name] = main // called by a plugin's name it is that plugin
	}
	testscript.Main(m, commands)
}

// TestScripts plays the sessions in testdata: what a person types, and what comes back. $PORT is a free port.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true, Setup: func(env *testscript.Env) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		env.Setenv("PORT", port)
		return err
	}})
}
