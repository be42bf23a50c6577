import { BuildConverger } from '../../src/converge/build/build.ts'
import type { Convergers, Deps } from '../../src/converge/deps.ts'
import { ExternalRepoConverger } from '../../src/converge/external-repo.ts'
import { LookupConverger } from '../../src/converge/lookup.ts'
import { PackageConverger } from '../../src/converge/package.ts'
import { TagConverger } from '../../src/converge/tag.ts'
import { TaggedConverger } from '../../src/converge/tagged.ts'
import { TargetConverger } from '../../src/converge/target.ts'

/** One of each kind, as context.ts makes them. */
export function convergersOf(deps: Deps): Convergers {
  return {
    build: new BuildConverger(deps),
    tag: new TagConverger(deps),
    package: new PackageConverger(deps),
    tagged: new TaggedConverger(deps),
    target: new TargetConverger(deps),
    'external-repo': new ExternalRepoConverger(deps),
    lookup: new LookupConverger(deps),
  }
}
