module github.com/dmonitor/dmonitor/plugins

go 1.26

