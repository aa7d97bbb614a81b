package envoy

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	fileaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	streamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// accessLog writes one JSON line per exchange. No header that a client chose and no query is in it: both carry keys.
// The path is the one the client sent (without its query), where a request got as far as the filters.
func (b *builder) accessLog(to string) []*accesslogv3.AccessLog {
	format := &corev3.SubstitutionFormatString{
		OmitEmptyValues: true,
		Format:          &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: accessLogLine()},
	}
	var name string
	var config proto.Message
	switch to {
	case "":
		return nil
	case "-", "stdout":
		name = "envoy.access_loggers.stdout"
		config = &streamv3.StdoutAccessLog{AccessLogFormat: &streamv3.StdoutAccessLog_LogFormat{LogFormat: format}}
	case "stderr":
		name = "envoy.access_loggers.stderr"
		config = &streamv3.StderrAccessLog{AccessLogFormat: &streamv3.StderrAccessLog_LogFormat{LogFormat: format}}
	default:
		name = "envoy.access_loggers.file"
		config = &fileaccesslogv3.FileAccessLog{Path: to, AccessLogFormat: &fileaccesslogv3.FileAccessLog_LogFormat{LogFormat: format}}
	}
	return []*accesslogv3.AccessLog{{Name: name, ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: b.any(config)}}}
}

func accessLogLine() *structpb.Struct {
	fields := map[string]string{
		"time":             "%START_TIME%",
		"request_id":       "%STREAM_ID%",
		"client":           "%DOWNSTREAM_REMOTE_ADDRESS%",
		"method":           "%REQ(:METHOD)%",
		"path":             "%FILTER_STATE(" + pathState + ":PLAIN)%",
		"protocol":         "%PROTOCOL%",
		"status":           "%RESPONSE_CODE%",
		"details":          "%RESPONSE_CODE_DETAILS%",
		"flags":            "%RESPONSE_FLAGS%",
		"bytes_received":   "%BYTES_RECEIVED%",
		"bytes_sent":       "%BYTES_SENT%",
		"duration_ms":      "%DURATION%",
		"first_byte_ms":    "%RESPONSE_DURATION%",
		"upstream_cluster": "%UPSTREAM_CLUSTER%",
		"upstream_host":    "%UPSTREAM_HOST%",
		"upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
		"yellowjack":       "%DYNAMIC_METADATA(" + MetadataNamespace + ")%",
	}
	line := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(fields))}
	for name, operator := range fields {
		line.Fields[name] = structpb.NewStringValue(operator)
	}
	return line
}
