import type { Meter } from '@opentelemetry/api'
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Registry,
  type RegistryContentType,
} from 'prom-client'
import { CATALOGUE, type Catalogue, type MetricKey } from './catalogue.ts'
import type { MetricDefinition } from './definition.ts'
import { watchEventLoop } from './event-loop.ts'
import { createSeries, createSeriesBudget, type SeriesBudget } from './series.ts'

/** The values of all labels of a metric; {} for a metric without labels. */
type Labels<L extends string> = [L] extends [never] ? Record<string, never> : Record<L, string>

/** The trace of the counted event. Exported as an exemplar, which Prometheus shows next to the value. */
type TraceId = string

type CounterHandle<L extends string> = {
  add(labels: Labels<L>, amount?: number, traceId?: TraceId): void
  /** Removes every series whose labels match the predicate. */
  removeWhere(predicate: (labels: Labels<L>) => boolean): void
}
type HistogramHandle<L extends string> = {
  observe(labels: Labels<L>, value: number, traceId?: TraceId): void
}
type GaugeHandle<L extends string> = {
  set(labels: Labels<L>, value: number): void
  remove(labels: Labels<L>): void
  /** Removes every series whose labels match the predicate. */
  removeWhere(predicate: (labels: Labels<L>) => boolean): void
  /** Registers a function that sets the values each time the metric is read. */
  readWith(
    read: (gauge: Pick<GaugeHandle<L>, 'set' | 'remove' | 'removeWhere'>) => void | Promise<void> | undefined,
  ): void
}

type HandleOf<D extends MetricDefinition> = D['kind'] extends 'counter'
  ? CounterHandle<D['labels'][number]>
  : D['kind'] extends 'gauge'
    ? GaugeHandle<D['labels'][number]>
    : HistogramHandle<D['labels'][number]>

type Handles = { readonly [K in MetricKey]: HandleOf<Catalogue[K]> }

/** Handles by the keys of the catalogue. A wrong key or label is a compile error. */
export type Metrics = Handles & {
  /** The metrics that /metrics serves. */
  readonly registry: Registry
  /** Sets the nodes of the fleet: removes every series of other nodes, and adapts the series budget. */
  retainNodes(nodes: ReadonlySet<string>): void
  /** Stops the measurement of the event loop. */
  close(): void
}

type Sinks = { registry: Registry; meter: Meter; budget: SeriesBudget }
type Source = Counter | Gauge
type Handle = { retainNodes(nodes: ReadonlySet<string>): void }

const promConfiguration = ({ name, help, labels }: MetricDefinition, registry: Registry) => ({
  name,
  help,
  labelNames: labels,
  registers: [registry],
})

type Mirrored = { kind: 'counter' | 'gauge'; name: string; help: string; unit: string }

/** Exports a metric over OTLP. The values are read from prom-client, so both sinks always show the same. */
const mirror = (definition: Mirrored, source: Source, meter: Meter): void => {
  const options = { description: definition.help, unit: definition.unit }
  const instrument =
    definition.kind === 'counter'
      ? meter.createObservableCounter(definition.name, options)
      : meter.createObservableGauge(definition.name, options)
  instrument.addCallback(async (observer) => {
    for (const { value, labels } of (await source.get()).values) observer.observe(value, labels)
  })
}

/** Events outside of a trace have no exemplar. */
const exemplarOf = (traceId: TraceId | undefined) =>
  traceId ? { exemplarLabels: { trace_id: traceId } as Record<string, string> } : {}

const createCounter = (
  definition: MetricDefinition & { kind: 'counter' },
  { registry, meter, budget }: Sinks,
): CounterHandle<string> & Handle => {
  const counter: Counter = new Counter({ ...promConfiguration(definition, registry), enableExemplars: true })
  mirror(definition, counter, meter)
  const series = createSeries(definition, budget, {
    exempt: definition.name === CATALOGUE.seriesDropped.name,
  })
  const removeAll = (removed: Record<string, string>[]) => {
    for (const labels of removed) counter.remove(labels)
  }
  return {
    add: (labels, amount = 1, traceId) => {
      if (series.admit(labels)) counter.inc({ labels, value: amount, ...exemplarOf(traceId) })
    },
    removeWhere: (predicate) => removeAll(series.removeWhere(predicate)),
    retainNodes: (nodes) => removeAll(series.retainNodes(nodes)),
  }
}

const createGauge = (
  definition: MetricDefinition & { kind: 'gauge' },
  { registry, meter, budget }: Sinks,
): GaugeHandle<string> & Handle => {
  const series = createSeries(definition, budget)
  let read: Parameters<GaugeHandle<string>['readWith']>[0] = () => undefined
  const gauge: Gauge = new Gauge({ ...promConfiguration(definition, registry), collect: () => read(handle) })
  mirror(definition, gauge, meter)
  const removeAll = (removed: Record<string, string>[]) => {
    for (const labels of removed) gauge.remove(labels)
  }
  const handle: GaugeHandle<string> & Handle = {
    set: (labels, value) => {
      if (series.admit(labels)) gauge.set(labels, value)
    },
    remove: (labels) => {
      if (series.remove(labels)) gauge.remove(labels)
    },
    removeWhere: (predicate) => removeAll(series.removeWhere(predicate)),
    retainNodes: (nodes) => removeAll(series.retainNodes(nodes)),
    readWith: (given) => {
      read = given
    },
  }
  return handle
}

const createHistogram = (
  definition: MetricDefinition,
  { registry, meter, budget }: Sinks,
): HistogramHandle<string> & Handle => {
  const buckets = [...(definition.buckets ?? [])]
  const configuration = { ...promConfiguration(definition, registry), buckets, enableExemplars: true }
  const histogram: Histogram = new Histogram(configuration)
  const instrument = meter.createHistogram(definition.name, {
    description: definition.help,
    unit: definition.unit,
    advice: { explicitBucketBoundaries: buckets },
  })
  const series = createSeries(definition, budget)
  return {
    observe: (labels, value, traceId) => {
      if (!series.admit(labels)) return
      histogram.observe({ labels, value, ...exemplarOf(traceId) })
      instrument.record(value, labels)
    },
    retainNodes: (nodes) => {
      for (const labels of series.retainNodes(nodes)) histogram.remove(labels)
    },
  }
}

/** Gauges of prom-client with the suffix of counters. The same values also exist without _total. */
const MISNAMED_GAUGES = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
]

/** Adds prom-client's metrics of the process to both sinks. */
const addProcessMetrics = ({ registry, meter }: Sinks): void => {
  const known = new Set(registry.getMetricsAsArray().map(({ name }) => name))
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED_GAUGES) registry.removeSingleMetric(name)
  for (const { name, help } of registry.getMetricsAsArray()) {
    const metric = registry.getSingleMetric(name)
    if (known.has(name) || !(metric instanceof Counter || metric instanceof Gauge)) continue
    const kind = metric instanceof Counter ? 'counter' : 'gauge'
    mirror({ kind, name, help, unit: /_(seconds|bytes)(_total)?$/.exec(name)?.[1] ?? '' }, metric, meter)
  }
}

/**
 * Creates the metrics of a collector: in a registry for /metrics, and in the meter for OTLP.
 * @param hasProcessMetrics adds the metrics of this process and its event loop, which prom-client observes until the
 * process ends
 */
export const createMetrics = (
  { meter }: { meter: Meter },
  { version, hasProcessMetrics = true }: { version: string; hasProcessMetrics?: boolean },
): Metrics => {
  // prom-client stores exemplars only in an OpenMetrics registry, which serves only that format. So the
  // metrics are created in one, and exposition.ts writes both formats from its values.
  const registry = new Registry()
  const switchable: { setContentType(type: RegistryContentType): void } = registry
  switchable.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const eventLoop = hasProcessMetrics ? watchEventLoop() : undefined
  const budget = createSeriesBudget((metric) => handles.seriesDropped.add({ metric }))
  const sinks = { registry, meter, budget }
  const create = (key: MetricKey): Handle => {
    const definition: MetricDefinition = CATALOGUE[key]
    const { kind } = definition
    if (kind === 'counter') return createCounter({ ...definition, kind }, sinks)
    if (kind === 'gauge') return createGauge({ ...definition, kind }, sinks)
    return createHistogram(definition, sinks)
  }
  const created = (Object.keys(CATALOGUE) as MetricKey[]).map((key) => [key, create(key)] as const)
  // The kind of each definition selects the type of its handle; the compiler cannot infer that in a loop.
  const handles = Object.fromEntries(created) as unknown as Handles
  switchable.setContentType(Registry.PROMETHEUS_CONTENT_TYPE)
  if (hasProcessMetrics) addProcessMetrics(sinks)
  handles.buildInfo.set({ version }, 1)
  handles.eventLoopDelay.readWith((gauge) => {
    for (const [stat, seconds] of Object.entries(eventLoop?.delays() ?? {})) gauge.set({ stat }, seconds)
  })
  handles.series.readWith((gauge) => gauge.set({}, budget.used()))
  return {
    ...handles,
    registry,
    retainNodes: (nodes) => {
      budget.setNodeCount(nodes.size)
      for (const [, handle] of created) handle.retainNodes(nodes)
    },
    close: () => eventLoop?.close(),
  }
}
