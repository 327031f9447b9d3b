import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** A name that says why, on its own or after what is skipped. */
const NAME = /(?:^|\()skipped: (.*?)\)?$/

/** What `skip` was told, or what the name of the test or of what it is in says. */
const reasonOf = (test: TestCase): string | undefined => {
  const { state, ...result } = test.result()
  if (state !== 'skipped') return undefined
  if ('note' in result && result.note) return result.note
  return test.fullName.split(' > ').flatMap((name) => NAME.exec(name)?.[1] ?? [])[0]
}

/** Says why tests were skipped, each reason of a file once: of files that pass the default reporter prints no names. */
export default class SkipReasons implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      const reasons = new Set([...module.children.allTests()].flatMap((test) => reasonOf(test) ?? []))
      for (const reason of reasons) console.log(`skipped in ${module.relativeModuleId}: ${reason}`)
    }
  }
}
