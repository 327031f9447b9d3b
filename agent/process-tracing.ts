import { SpanStatusCode, type Tracer } from '@opentelemetry/api'
import type { Processes, RunningProcess } from './processes.ts'

/**
 * Gives each program a span of its own under the RPC that started it, so that a trace ends where the measuring
 * is done. Attribute names after the OpenTelemetry conventions for processes.
 */
export const traceProcesses = (processes: Processes, tracer: Tracer): Processes => ({
  ...processes,
  start(file, args, options): RunningProcess {
    const span = tracer.startSpan(`process ${file.split('/').at(-1)}`, {
      attributes: { 'process.executable.name': file, 'process.command_args': [file, ...args] },
    })
    const running = processes.start(file, args, options)
    if (running.pid !== undefined) span.setAttribute('process.pid', running.pid)
    void running.done.then((result) => {
      if (result.exitCode !== undefined) span.setAttribute('process.exit.code', result.exitCode)
      if (result.reason !== '') span.setStatus({ code: SpanStatusCode.ERROR, message: result.reason })
      span.end()
    })
    return running
  },
})
