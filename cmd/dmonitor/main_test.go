package main

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

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

// patience bounds every wait: an election takes up to 9 s, and machines are shared.
const patience = 2 * time.Minute

// until runs a command until its output matches a pattern: until 'PATTERN' COMMAND [ARG...]
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until 'PATTERN' COMMAND [ARG...]")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	out := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...) // what it prints decides
		if out = ts.ReadFile("stdout"); want.MatchString(out) {
			return
		}
	}
	ts.Fatalf("not seen within %v: %s; last:\n%s%s", patience, args[0], out, ts.ReadFile("stderr"))
}

// TestScripts plays the sessions in testdata: what a person types, and what comes back. $PORT is a free port, and $NET the
// first three numbers of a network on loopback that is this script's own.
func TestScripts(t *testing.T) {
	var nets atomic.Int32
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true, Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"until": until,
	}, Setup: func(env *testscript.Env) error {
		pid := os.Getpid()
		env.Setenv("NET", fmt.Sprintf("127.%d.%d", 1+pid%40, (pid/40+int(nets.Add(1)))%250))
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
