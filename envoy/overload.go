package envoy

import (
	"time"

	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	downstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	heapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	"google.golang.org/protobuf/types/known/durationpb"
)

// overload bounds the process: connections always, the heap where a bound is set. Near the heap's bound new requests are
// refused and memory is given back, so that the streams that run can end.
func (b *builder) overload(c Config) *overloadv3.OverloadManager {
	const heap, connections = "envoy.resource_monitors.fixed_heap", "envoy.resource_monitors.global_downstream_max_connections"
	out := &overloadv3.OverloadManager{
		RefreshInterval: durationpb.New(250 * time.Millisecond),
		ResourceMonitors: []*overloadv3.ResourceMonitor{{
			Name: connections,
			ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: b.any(&downstreamv3.DownstreamConnectionsConfig{
				MaxActiveDownstreamConnections: int64(c.Connections),
			})},
		}},
	}
	if c.HeapBytes == 0 {
		return out
	}
	out.ResourceMonitors = append(out.ResourceMonitors, &overloadv3.ResourceMonitor{
		Name: heap,
		ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: b.any(&heapv3.FixedHeapConfig{
			MaxHeapSizeBytes: c.HeapBytes,
		})},
	})
	out.Actions = []*overloadv3.OverloadAction{
		action("envoy.overload_actions.shrink_heap", heap, 0.90),
		action("envoy.overload_actions.stop_accepting_requests", heap, 0.95),
	}
	return out
}

func action(name, monitor string, above float64) *overloadv3.OverloadAction {
	return &overloadv3.OverloadAction{Name: name, Triggers: []*overloadv3.Trigger{{
		Name:         monitor,
		TriggerOneof: &overloadv3.Trigger_Threshold{Threshold: &overloadv3.ThresholdTrigger{Value: above}},
	}}}
}
