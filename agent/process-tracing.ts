import { type Span, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import type { Processes, ProcessResult } from './processes.ts'

/**
 * Creates a span for each program, under the RPC that started it. Attribute names follow the OpenTelemetry conventions
 * for processes.
 */
export const traceProcesses = (processes: Processes, tracer: Tracer): Processes => {
  const open = (file: string, args: readonly string[]): Span =>
    tracer.startSpan(`process ${file.split('/').at(-1)}`, {
      attributes: { 'process.executable.name': file, 'process.command_args': [file, ...args] },
    })
  const close = (span: Span, { exitCode, reason }: ProcessResult) => {
    if (exitCode !== undefined) span.setAttribute('process.exit.code', exitCode)
    if (reason !== '') span.setStatus({ code: SpanStatusCode.ERROR, message: reason })
    span.end()
  }
  return {
    ...processes,
    async start(file, args, options) {
      if (options.isUntraced) return processes.start(file, args, options)
      const running = await processes.start(file, args, options)
      const span = open(file, args)
      if (running.pid !== undefined) span.setAttribute('process.pid', running.pid)
      void running.done.then((result) => close(span, result))
      return running
    },
    async run(file, args, options) {
      if (options.isUntraced) return processes.run(file, args, options)
      const span = open(file, args)
      const result = await processes.run(file, args, options)
      close(span, result)
      return result
    },
  }
}
