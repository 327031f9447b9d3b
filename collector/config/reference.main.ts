/** Writes collector/config/REFERENCE.md. Run by `npm run config-reference`. */
import { writeFileSync } from 'node:fs'
import { configReference } from './reference.ts'

writeFileSync(new URL('REFERENCE.md', import.meta.url), configReference())
