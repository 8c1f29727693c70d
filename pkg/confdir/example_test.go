package confdir_test

import (
	"fmt"
	"testing/fstest"

	"github.com/dmonitor/dmonitor/pkg/confdir"
)

func ExampleRead() {
	etc := fstest.MapFS{ // os.DirFS("/etc/dmonitor") in real life
		"hosts.d/www.example.com/ping": {},
		"hosts.d/www.example.com/ssh":  {Data: []byte("interval: 5m\ntimeout: 5 parsecs\n")},
		"alert.d/ops@example.com":      {},
		"nodes.txt":                    {Data: []byte("tokyo.example.com\nparis.example.com:2930  # the old one\n")},
	}
	snapshot, problems := confdir.Read(etc, confdir.Defaults{})
	for _, c := range snapshot.Checks {
		fmt.Println(c.Check, "every", c.Interval)
	}
	fmt.Println(snapshot.Nodes)
	for _, p := range problems {
		fmt.Println(p)
	}
	// Output:
	// www.example.com/ping every 1m0s
	// [tokyo.example.com:2929 paris.example.com:2930]
	// hosts.d/www.example.com/ssh:2: timeout: "5 parsecs" is no duration; write for example 5s or 500ms
}
