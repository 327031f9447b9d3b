/** Writes deploy/prometheus/METRICS.md: what `npm run metrics` runs. */
import { writeFileSync } from 'node:fs'
import { metricsReference } from './reference.ts'

writeFileSync(new URL('../../../deploy/prometheus/METRICS.md', import.meta.url), metricsReference())
