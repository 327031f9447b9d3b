/** The one metric whose name is not ours: alerts and dashboards of IBM Autopilot's users are written on it. */
export const AUTOPILOT_NAME = 'autopilot_health_checks'

/** One metric: what it is called, what it means and what is normal. Names follow the Prometheus conventions. */
export type MetricDefinition = {
  kind: 'counter' | 'gauge' | 'histogram'
  name: `meshgauge_${string}` | typeof AUTOPILOT_NAME
  /** One sentence on what it is, one on what is normal. */
  help: string
  /**
   * In UCUM, as OpenTelemetry wants it. 1 only for ratios, and {bit} for bits: what turns OTLP into Prometheus
   * appends "ratio" for the one and "bit" for the other, and the names would differ between the two sinks.
   */
  unit: string
  labels: readonly string[]
  /** Upper bounds of a histogram's buckets, in its unit. */
  buckets?: readonly number[]
}
