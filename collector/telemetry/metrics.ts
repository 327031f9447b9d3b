import type { Meter } from '@opentelemetry/api'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { CATALOGUE, type Catalogue, type MetricDefinition, type MetricKey } from './catalogue.ts'
import { watchEventLoop } from './event-loop.ts'

/** Every label of the metric, each a string; a metric without labels takes {}. */
type Labels<L extends string> = [L] extends [never] ? Record<string, never> : Record<L, string>

type CounterHandle<L extends string> = { add(labels: Labels<L>, amount?: number): void }
type HistogramHandle<L extends string> = { observe(labels: Labels<L>, value: number): void }
type GaugeHandle<L extends string> = {
  set(labels: Labels<L>, value: number): void
  remove(labels: Labels<L>): void
  /** Removes every series whose labels the predicate is true for. */
  removeWhere(predicate: (labels: Labels<L>) => boolean): void
}

type HandleOf<D extends MetricDefinition> = D['kind'] extends 'counter'
  ? CounterHandle<D['labels'][number]>
  : D['kind'] extends 'gauge'
    ? GaugeHandle<D['labels'][number]>
    : HistogramHandle<D['labels'][number]>

type Handles = { readonly [K in MetricKey]: HandleOf<Catalogue[K]> }

/** Handles by the names of the catalogue; a wrong name or label does not compile. */
export type Metrics = Handles & {
  /** What /metrics serves. */
  readonly registry: Registry
  /** Ends what watches the process. */
  close(): void
}

type Sinks = { registry: Registry; meter: Meter }
type Reading = Counter | Gauge

const promConfiguration = ({ name, help, labels }: MetricDefinition, registry: Registry) => ({
  name,
  help,
  labelNames: labels,
  registers: [registry],
})

/** OTLP reads the very state that /metrics shows, so the two cannot differ. */
const mirror = (definition: MetricDefinition, source: Reading, meter: Meter): void => {
  const options = { description: definition.help, unit: definition.unit }
  const instrument =
    definition.kind === 'counter'
      ? meter.createObservableCounter(definition.name, options)
      : meter.createObservableGauge(definition.name, options)
  instrument.addCallback(async (observer) => {
    for (const { value, labels } of (await source.get()).values) observer.observe(value, labels)
  })
}

const createCounter = (definition: MetricDefinition, { registry, meter }: Sinks): CounterHandle<string> => {
  const counter = new Counter(promConfiguration(definition, registry))
  mirror(definition, counter, meter)
  return { add: (labels, amount = 1) => counter.inc(labels, amount) }
}

const createGauge = (
  definition: MetricDefinition,
  { registry, meter }: Sinks,
  collect: (gauge: GaugeHandle<string>) => void,
): GaugeHandle<string> => {
  // prom-client gives its series only asynchronously; removal needs them at once.
  const series = new Map<string, Record<string, string>>()
  const keyOf = (labels: Record<string, string>) =>
    definition.labels.map((label) => labels[label]).join('\u0000')
  const gauge: Gauge = new Gauge({
    ...promConfiguration(definition, registry),
    collect: () => collect(handle),
  })
  mirror(definition, gauge, meter)
  const remove = (labels: Record<string, string>) => {
    if (series.delete(keyOf(labels))) gauge.remove(labels)
  }
  const handle: GaugeHandle<string> = {
    set: (labels, value) => {
      series.set(keyOf(labels), labels)
      gauge.set(labels, value)
    },
    remove,
    removeWhere: (predicate) => {
      for (const labels of series.values()) if (predicate(labels)) remove(labels)
    },
  }
  return handle
}

const createHistogram = (
  definition: MetricDefinition,
  { registry, meter }: Sinks,
): HistogramHandle<string> => {
  const buckets = [...(definition.buckets ?? [])]
  const histogram = new Histogram({ ...promConfiguration(definition, registry), buckets })
  const instrument = meter.createHistogram(definition.name, {
    description: definition.help,
    unit: definition.unit,
    advice: { explicitBucketBoundaries: buckets },
  })
  return {
    observe: (labels, value) => {
      histogram.observe(labels, value)
      instrument.record(value, labels)
    },
  }
}

/** prom-client's gauges with names that Prometheus keeps for counters; the same values exist without _total. */
const MISNAMED = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
]

/**
 * The metrics of one collector: a registry for /metrics, and the same in the meter for OTLP.
 */
export const createMetrics = ({ meter }: { meter: Meter }, { version }: { version: string }): Metrics => {
  const registry = new Registry()
  const eventLoop = watchEventLoop()
  const sinks = { registry, meter }
  const collectors: Partial<Record<MetricKey, (gauge: GaugeHandle<string>) => void>> = {
    eventLoopDelay: (gauge) => {
      for (const [stat, seconds] of Object.entries(eventLoop.delays())) gauge.set({ stat }, seconds)
    },
  }
  const create = (key: MetricKey) => {
    const definition: MetricDefinition = CATALOGUE[key]
    if (definition.kind === 'counter') return createCounter(definition, sinks)
    if (definition.kind === 'histogram') return createHistogram(definition, sinks)
    return createGauge(definition, sinks, collectors[key] ?? (() => undefined))
  }
  const keys = Object.keys(CATALOGUE) as MetricKey[]
  // The kind in each definition chose the handle; the compiler cannot follow that through a loop.
  const handles = Object.fromEntries(keys.map((key) => [key, create(key)])) as unknown as Handles
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  handles.buildInfo.set({ version }, 1)
  return { ...handles, registry, close: eventLoop.close }
}
