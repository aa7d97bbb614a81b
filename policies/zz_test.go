package policies
import ("testing";"syscall";"os";"strings";"context"
"github.com/open-policy-agent/opa/v1/rego"
opametrics "github.com/open-policy-agent/opa/v1/metrics"
"github.com/open-policy-agent/opa/v1/topdown"
)
func BenchmarkQ(b *testing.B){
 e:=engine(b,Config{Data:many(1)})
 comp:=e.manager.GetCompiler()
 in:=requestInput(1); v:=in.value(in.names())
 for _,q:=range strings.Split(os.Getenv("Q"),"\n"){ if q=="" {continue}
 pq,err:=rego.New(rego.Query(q),rego.Compiler(comp),rego.Store(e.store),rego.StrictBuiltinErrors(true),rego.GenerateJSON(keepTerm)).PrepareForEval(context.Background())
 if err!=nil {b.Fatal(err)}
 b.Run(strings.ReplaceAll(q," ","_"),func(b *testing.B){ b.ReportAllocs(); t0:=cpu(); defer func(){b.ReportMetric(float64(cpu()-t0)/float64(b.N),"cpu-ns")}(); for b.Loop(){
  txn,_:=e.store.NewTransaction(b.Context())
  c:=topdown.NewCancel()
  _,err:=pq.Eval(b.Context(),rego.EvalParsedInput(v),rego.EvalTransaction(txn),rego.EvalMetrics(opametrics.NoOp()),rego.EvalExternalCancel(c))
  e.store.Abort(b.Context(),txn)
  if err!=nil {b.Fatal(err)}
 }})
 }
}

func cpu() int64 { var r syscall.Rusage; syscall.Getrusage(0,&r); return r.Utime.Nano()+r.Stime.Nano() }
