package plugins

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	driverof "github.com/go-sql-driver/mysql"
)

// mysqlTalk asks a server whose driver says that we are in.
type mysqlTalk struct {
	ctx context.Context // that of the one run of the plugin
	db  driver.Conn
}

// prepare sees to it that nothing is changed and that no query outlives this run on the server. A server that doesn't
// know of such a limit does without.
func (t *mysqlTalk) prepare(mariaDB bool, limit time.Duration) error {
	set := fmt.Sprintf("SET SESSION max_execution_time = %d", limit.Milliseconds())
	if mariaDB {
		set = fmt.Sprintf("SET SESSION max_statement_time = %.3f", limit.Seconds())
	}
	err := t.exec(set)
	if _, ok := errors.AsType[*driverof.MySQLError](err); err != nil && !ok {
		return err
	}
	return t.exec("START TRANSACTION READ ONLY")
}

func (t *mysqlTalk) exec(sql string) (err error) {
	defer rescue(&err)
	_, err = t.db.(driver.ExecerContext).ExecContext(t.ctx, sql, nil)
	return err
}

// first returns the first row of a result; a result without rows is a row without values.
func (t *mysqlTalk) first(sql string) (row mysqlRow, err error) {
	_, err = t.rows(sql, func(r mysqlRow) bool {
		row = r
		return false
	})
	return row, err
}

// rows calls each with the rows of a result until it returns false, and returns how many there were.
func (t *mysqlTalk) rows(sql string, each func(mysqlRow) bool) (n int, err error) {
	defer rescue(&err)
	rows, err := t.db.(driver.QueryerContext).QueryContext(t.ctx, sql, nil)
	if err != nil {
		return 0, err
	}
	// Closing reads the rest. That one may be too long is no fault of the row we have.
	defer func() { _ = rows.Close() }()
	columns := rows.Columns()
	for {
		r := mysqlRow{columns, make([]driver.Value, len(columns))}
		switch err := rows.Next(r.values); {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
		for i, v := range r.values {
			if b, ok := v.([]byte); ok {
				r.values[i] = slices.Clone(b) // it is the driver's, who will read other things into it
			}
		}
		n++
		if !each(r) {
			return n, nil
		}
	}
}

// rescue makes an error of what the driver can't cope with: what it reads comes from anybody.
func rescue(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("nonsense: %v", p)
	}
}

// mysqlRow is one row, by the names of its columns.
type mysqlRow struct {
	columns []string
	values  []driver.Value
}

// at is the value of a column as text, and false if it is NULL or isn't there.
func (r mysqlRow) at(i int) (string, bool) {
	if i < 0 || i >= len(r.values) {
		return "", false
	}
	switch v := r.values[i].(type) {
	case nil:
		return "", false
	case []byte:
		return string(v), true
	case float32:
		return strconv.FormatFloat(float64(v), 'f', -1, 32), true
	case float64:
		return number(v), true
	default:
		return fmt.Sprint(v), true
	}
}

// named is the value of the first of these columns that there is.
func (r mysqlRow) named(names ...string) (string, bool) {
	for _, name := range names {
		if i := slices.Index(r.columns, name); i >= 0 {
			return r.at(i)
		}
	}
	return "", false
}

func (r mysqlRow) number(i int) float64 {
	s, _ := r.at(i)
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return v
}

// replication is how far behind this replica is: the furthest, if it has several sources. Newer servers call things
// otherwise than older ones.
func (m *mysql) replication(t *mysqlTalk, o outcome) (outcome, error) {
	worst, stopped := 0.0, ""
	each := func(r mysqlRow) bool {
		behind, known := r.named("Seconds_Behind_Source", "Seconds_Behind_Master")
		if !known {
			receiver, _ := r.named("Replica_IO_Running", "Slave_IO_Running")
			applier, _ := r.named("Replica_SQL_Running", "Slave_SQL_Running")
			stopped = fmt.Sprintf("replication has stopped: receiving %s, applying %s", quote(receiver), quote(applier))
			for _, name := range []string{"Last_IO_Error", "Last_SQL_Error"} {
				if why, ok := r.named(name); ok && why != "" {
					stopped += ", " + sentence(why)
				}
			}
		}
		if v, err := strconv.ParseFloat(behind, 64); err == nil {
			worst = max(worst, v)
		}
		return true
	}
	n, err := t.rows("SHOW REPLICA STATUS", each)
	if said, ok := errors.AsType[*driverof.MySQLError](err); ok && said.Number == mysqlSyntax {
		n, err = t.rows("SHOW SLAVE STATUS", each)
	}
	switch {
	case err != nil:
		return o, err
	case n == 0:
		o.exit = exitFail
		o.text += ", and is no replica: there is no lag to tell"
		return o, nil
	case stopped != "":
		o.exit = exitFail
		o.text += ", " + stopped
		return o, nil
	}
	return m.lag.judge(o, worst), nil
}
