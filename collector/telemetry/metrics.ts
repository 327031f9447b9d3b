import type { Meter } from '@opentelemetry/api'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { CATALOGUE, type Catalogue, type MetricDefinition, type MetricKey } from './catalogue.ts'
import { watchEventLoop } from './event-loop.ts'

/** Every label of the metric, each a string; a metric without labels takes {}. */
type Labels<L extends string> = [L] extends [never] ? Record<string, never> : Record<L, string>

type CounterHandle<L extends string> = {
  add(labels: Labels<L>, amount?: number): void
  /** Removes every series whose labels the predicate is true for: of nodes that have left. */
  removeWhere(predicate: (labels: Labels<L>) => boolean): void
}
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

/** prom-client gives its series only asynchronously; removal needs them at once. */
const createSeries = ({ labels: names }: MetricDefinition) => {
  const series = new Map<string, Record<string, string>>()
  const keyOf = (labels: Record<string, string>) => names.map((name) => labels[name]).join('\u0000')
  return {
    add: (labels: Record<string, string>) => {
      series.set(keyOf(labels), labels)
    },
    /** Whether it was there. */
    remove: (labels: Record<string, string>): boolean => series.delete(keyOf(labels)),
    removeWhere: (predicate: (labels: Record<string, string>) => boolean): Record<string, string>[] => {
      const gone = [...series.values()].filter(predicate)
      for (const labels of gone) series.delete(keyOf(labels))
      return gone
    },
  }
}

const createCounter = (definition: MetricDefinition, { registry, meter }: Sinks): CounterHandle<string> => {
  const counter = new Counter(promConfiguration(definition, registry))
  mirror(definition, counter, meter)
  const series = createSeries(definition)
  return {
    add: (labels, amount = 1) => {
      series.add(labels)
      counter.inc(labels, amount)
    },
    removeWhere: (predicate) => {
      for (const labels of series.removeWhere(predicate)) counter.remove(labels)
    },
  }
}

const createGauge = (
  definition: MetricDefinition,
  { registry, meter }: Sinks,
  collect: (gauge: GaugeHandle<string>) => void,
): GaugeHandle<string> => {
  const series = createSeries(definition)
  const gauge: Gauge = new Gauge({
    ...promConfiguration(definition, registry),
    collect: () => collect(handle),
  })
  mirror(definition, gauge, meter)
  const handle: GaugeHandle<string> = {
    set: (labels, value) => {
      series.add(labels)
      gauge.set(labels, value)
    },
    remove: (labels) => {
      if (series.remove(labels)) gauge.remove(labels)
    },
    removeWhere: (predicate) => {
      for (const labels of series.removeWhere(predicate)) gauge.remove(labels)
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
