import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** The reason in a test name such as `skipped: REASON` or `NAME (skipped: REASON)`. */
const REASON = /(?:^|\()skipped: (.*?)\)?$/

/** The reason given to `skip()`, or in the name of the test or of a `describe` around it. */
const reasonOf = (test: TestCase): string | undefined => {
  const { state, ...result } = test.result()
  if (state !== 'skipped') return undefined
  if ('note' in result && result.note) return result.note
  return test.fullName.split(' > ').flatMap((name) => REASON.exec(name)?.[1] ?? [])[0]
}

/** Prints the reasons of skipped tests, once per file. The default reporter does not print them. */
export default class SkipReasons implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      const reasons = new Set([...module.children.allTests()].flatMap((test) => reasonOf(test) ?? []))
      for (const reason of reasons) console.log(`skipped in ${module.relativeModuleId}: ${reason}`)
    }
  }
}
