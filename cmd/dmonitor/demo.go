package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/dmonitor/dmonitor/cmd/dmonitor/demo"
)

type demoCmd struct {
	Once  bool   `help:"Play the story by itself; exit 0 only if it was told as it should be."`
	Inbox string `default:"" placeholder:"HOST:PORT" help:"Address of the inbox page (default: any free port on loopback)."`
	Keep  bool   `help:"Keep the folder with the nodes' logs and data."`
}

func (c demoCmd) Run(a *app) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find my own binary: %w", err)
	}
	o := demo.Options{Binary: binary, Out: demo.NewTimeline(a.stdout), InboxHTTP: c.Inbox, Keep: c.Keep}
	if c.Once {
		return demo.Once(a.ctx, o)
	}
	return demo.Play(a.ctx, o, a.keys)
}

// keys hands on the lines that are typed, until ctx ends.
func (a *app) keys(ctx context.Context) <-chan string {
	lines := make(chan string)
	go func() { // It ends with the process: a read from a terminal can't be interrupted.
		for in := bufio.NewScanner(a.stdin); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}
