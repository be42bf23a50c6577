import { noStep } from '../../src/step.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
import { placementContract } from './placement-contract.ts'

placementContract(
  'placement volume',
  (trees, step) =>
    new VolumePlacement({
      prodTopdir: trees.prod,
      linkTarget: trees.prod,
      stagingTopdir: trees.staging,
      step,
      // What only heals or looks need not outlive a loss of power.
      fsync: step !== noStep,
    }),
)
