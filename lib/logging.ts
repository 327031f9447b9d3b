import { type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** Creates a logger of JSON lines on standard error. Standard output is for results. */
export const createLogger = (name: string, level: string): Logger =>
  pino({ name, level, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }))
