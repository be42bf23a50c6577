import { noStep } from '../../src/step.ts'
import { FarmPlacement } from '../../src/storage/farm-placement.ts'
import { placementContract } from './placement-contract.ts'

placementContract(
  'placement farm',
  (trees, step) =>
    new FarmPlacement({
      prodTopdir: trees.prod,
      linkTarget: trees.prod,
      stagingTopdir: trees.staging,
      step,
      // What only heals or looks need not outlive a loss of power.
      fsync: step !== noStep,
    }),
)
