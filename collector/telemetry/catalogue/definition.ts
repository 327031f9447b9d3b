/** The only metric without our prefix: existing alerts and dashboards of IBM Autopilot users depend on this name. */
export const AUTOPILOT_NAME = 'autopilot_health_checks'

/** The definition of a metric. Names follow the conventions of Prometheus (prometheus.io/docs/practices/naming). */
export type MetricDefinition = {
  kind: 'counter' | 'gauge' | 'histogram'
  name: `meshgauge_${string}` | typeof AUTOPILOT_NAME
  /** One sentence about the meaning, with the unit, and one about the normal value. */
  help: string
  /**
   * The unit in UCUM, as OpenTelemetry requires. Only ratios have the unit 1, and bits are {bit}: converters from OTLP to
   * Prometheus append "ratio" to names with unit 1 and "bit" to names with unit bit, so the two sinks would differ.
   */
  unit: string
  labels: readonly string[]
  /** Upper bounds of the buckets of a histogram, in its unit. */
  buckets?: readonly number[]
}
