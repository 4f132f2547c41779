//! Graphs: the recordings of captures.

use std::ffi::{c_char, c_ulonglong, c_void};

use cudarc::driver::sys::{CUgraph, CUgraphExec, CUresult, CUstream};

use super::error::{Cu, answer, refuse};
use super::queue::Op;
use super::state::{Graph, Handle, lock, put};

#[unsafe(no_mangle)]
extern "C" fn cuGraphInstantiateWithFlags(out: *mut CUgraphExec, graph: CUgraph, _flags: c_ulonglong) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let context = driver.current()?;
        driver.not_captured("cuGraphInstantiate")?;
        let Some(graph) = driver.graphs.get(&(graph as Handle)) else { return no_graph() };
        let ops = graph.ops.clone();
        let handle = driver.handle();
        driver.executables.insert(handle, Graph { context, ops });
        put(out, handle as CUgraphExec)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphInstantiate_v2(
    out: *mut CUgraphExec,
    graph: CUgraph,
    _error_node: *mut c_void,
    log: *mut c_char,
    room: usize,
) -> CUresult {
    if !log.is_null() && room > 0 {
        let _ = put(log, 0);
    }
    cuGraphInstantiateWithFlags(out, graph, 0)
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphLaunch(executable: CUgraphExec, stream: CUstream) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let stream = driver.stream(stream as Handle)?;
        let Some(graph) = driver.executables.get(&(executable as Handle)) else { return no_graph() };
        let op = Op::Graph(graph.ops.clone());
        driver.enqueue(stream, op).map(|_| ())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphUpload(executable: CUgraphExec, stream: CUstream) -> CUresult {
    answer(|| {
        let mut driver = lock();
        driver.stream(stream as Handle)?;
        if driver.executables.contains_key(&(executable as Handle)) { Ok(()) } else { no_graph() }
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphDestroy(graph: CUgraph) -> CUresult {
    answer(|| {
        let mut driver = lock();
        if driver.graphs.remove(&(graph as Handle)).is_none() {
            return no_graph();
        }
        driver.current().map(|_| ())
    })
}

/// A queued launch still runs: like the driver, this frees the graph after it.
#[unsafe(no_mangle)]
extern "C" fn cuGraphExecDestroy(executable: CUgraphExec) -> CUresult {
    answer(|| {
        let mut driver = lock();
        if driver.executables.remove(&(executable as Handle)).is_none() {
            return no_graph();
        }
        driver.current().map(|_| ())
    })
}

fn no_graph() -> Cu<()> {
    refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "the graph is invalid or was destroyed")
}
