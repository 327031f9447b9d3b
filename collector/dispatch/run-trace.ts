import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'

/** Pairs whose spans share a parent: a round of the plan, or a retest. */
export type PairGroup = { name: string; size: number }

/** The trace of one run: run → round → pair. Calls made in the context of a pair become children of its span. */
export type RunTrace = {
  traceId: string
  /** Opens the span of a pair. The span of its group lasts from its first pair to its last one. */
  pair(
    group: PairGroup,
    name: string,
    attributes: Attributes,
  ): { context: Context; spanId: string; end(problem: string): void }
  end(problem: string): void
}

const finish = (span: Span, problem: string): void => {
  if (problem !== '') span.setStatus({ code: SpanStatusCode.ERROR, message: problem })
  span.end()
}

export const startRunTrace = (tracer: Tracer, name: string, attributes: Attributes): RunTrace => {
  const root = tracer.startSpan(name, { attributes, root: true })
  const rootContext = trace.setSpan(ROOT_CONTEXT, root)
  const groups = new Map<string, { span: Span; context: Context; left: number }>()
  const open = (group: PairGroup) => {
    const known = groups.get(group.name)
    if (known) return known
    const span = tracer.startSpan(group.name, {}, rootContext)
    const opened = { span, context: trace.setSpan(rootContext, span), left: group.size }
    groups.set(group.name, opened)
    return opened
  }
  return {
    traceId: root.spanContext().traceId,
    pair(group, pairName, pairAttributes) {
      const parent = open(group)
      const span = tracer.startSpan(pairName, { attributes: pairAttributes }, parent.context)
      return {
        context: trace.setSpan(parent.context, span),
        spanId: span.spanContext().spanId,
        end(problem) {
          finish(span, problem)
          parent.left--
          if (parent.left > 0) return
          parent.span.end()
          groups.delete(group.name)
        },
      }
    },
    end(problem) {
      for (const { span } of groups.values()) span.end()
      finish(root, problem)
    },
  }
}

/** Runs asynchronous work in a context, so that its spans and calls become children. */
export const within = <T>(where: Context, work: () => Promise<T>): Promise<T> => context.with(where, work)
