module github.com/dmonitor/dmonitor/demo

go 1.26

