// Package asyncapi holds docs/asyncapi.yaml against pkg/events: every subject, stream, message, field and value of an
// enum stands in both, with the same type, or a test fails. The golden messages of pkg/events are valid by the file's
// schemas, and stop being so when a required field is taken away.
package asyncapi
