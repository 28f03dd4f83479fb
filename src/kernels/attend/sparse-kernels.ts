/** The first halves of sparse attention, declared: for lists that are given and for those found on the way, with each kind
 *  of tail. */
import {
  type BindingKind,
  defineKernel,
  type KernelSource,
  type UniformType,
} from '../runtime/define-kernel.ts';
import type { KernelVariant } from '../runtime/gpu.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import findSelection from '../shared/find-selection.wgsl?raw';
import findSelectionSubgroup from '../shared/find-selection-subgroup.wgsl?raw';
import prefixSum from '../shared/prefix-sum.wgsl?raw';
import prefixSumSubgroup from '../shared/prefix-sum-subgroup.wgsl?raw';
import selectionSource from '../shared/selection.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import blocksSource from '../shared/token-blocks.wgsl?raw';
import chunksSource from '../shared/token-chunks.wgsl?raw';
import attendBlocks from './attend-blocks.wgsl?raw';
import splitSource from './attend-split.wgsl?raw';
import blockMeans from './block-means.wgsl?raw';
import blockRuns from './block-runs.wgsl?raw';
import laneOctets from './lane-octets.wgsl?raw';
import queryColumns from './query-columns.wgsl?raw';
import rowsSummed from './rows-summed.wgsl?raw';
import rowsUnsummed from './rows-unsummed.wgsl?raw';
import splitBlocksMain from './split-blocks-main.wgsl?raw';
import splitBlocksMainSerial from './split-blocks-main-serial.wgsl?raw';
import splitMain from './split-main.wgsl?raw';
import splitMainSerial from './split-main-serial.wgsl?raw';
import { serialConstants, teamConstants } from './split-plan.ts';
import splitTailMain from './split-tail-main.wgsl?raw';
import splitTailMainSerial from './split-tail-main-serial.wgsl?raw';
import teamSums from './team-sums.wgsl?raw';
import tilesTogether from './tiles-together.wgsl?raw';
import tokenList from './token-list.wgsl?raw';
import tokenSelection from './token-selection.wgsl?raw';
import weighSubgroup from './weigh-subgroup.wgsl?raw';

const weighWorkgroup = () => import('./weigh-workgroup.wgsl?raw');
const dotsSource = () => import('../shared/dots-four.wgsl?raw');
const blocksSerialSource = () => import('./attend-blocks-serial.wgsl?raw');
const rowsSerialSource = () => import('./rows-summed-serial.wgsl?raw');
const selectionSerialSource = () => import('./token-selection-serial.wgsl?raw');
const serialSource = () => import('./attend-split-serial.wgsl?raw');

const common = {
  step: 'uniform',
  query: 'read',
  keyCache: 'read',
  valueCache: 'read',
  partials: 'write',
  budget: 'uniform',
} as const;
const blockBindings = { blockSums: 'write' } as const;
const tailBindings = { ...blockBindings, tailSums: 'write' } as const;

const listUniforms = {
  capacity: 'u32',
  splits: 'u32',
  parts: 'u32',
  listCapacity: 'u32',
  kvHeads: 'u32',
  slots: 'u32',
  blocks: 'u32',
} as const;
const selectionUniforms = {
  capacity: 'u32',
  splits: 'u32',
  parts: 'u32',
  kvHeads: 'u32',
  countsAt: 'u32',
  chunks: 'u32',
  slots: 'u32',
  blocks: 'u32',
} as const;
const teamSources = [tilesTogether, laneOctets, queryColumns, teamSums, splitSource];
const fromList = {
  workgroup: [tokenList],
  subgroup: [tokenList],
  serial: [tokenList],
  constants: [],
  subgroupConstants: [],
};
const fromSelection = {
  workgroup: [chunksSource, prefixSum, selectionSource, findSelection, tokenSelection],
  subgroup: [chunksSource, prefixSumSubgroup, selectionSource, findSelectionSubgroup, tokenSelection],
  serial: [chunksSource, selectionSerialSource],
  constants: ['fineBins'],
  subgroupConstants: ['subgroups'],
};
const withoutTail = {
  team: [rowsUnsummed],
  serial: [],
  main: splitMain,
  mainSerial: splitMainSerial,
};
const withTail = {
  team: [blocksSource, blockRuns, rowsSummed],
  serial: [blocksSource, blockRuns, rowsSerialSource],
  main: splitTailMain,
  mainSerial: splitTailMainSerial,
};

const withBlocks = {
  team: [blocksSource, blockMeans, rowsUnsummed, attendBlocks],
  serial: [blocksSource, blockMeans, blocksSerialSource],
  main: splitBlocksMain,
  mainSerial: splitBlocksMainSerial,
};

export const listedKernels = splitKernels('listed', fromList, withoutTail, {
  bindings: { ...common, tokenLists: 'read' },
  uniforms: listUniforms,
});
export const listedTailKernels = splitKernels('listed-tail', fromList, withTail, {
  bindings: { ...common, tokenLists: 'read', ...tailBindings },
  uniforms: listUniforms,
});
export const listedBlocksKernels = splitKernels('listed-blocks', fromList, withBlocks, {
  bindings: { ...common, tokenLists: 'read', ...blockBindings },
  uniforms: listUniforms,
});
export const selectedKernels = splitKernels('selected', fromSelection, withoutTail, {
  bindings: { ...common, counted: 'read' },
  uniforms: selectionUniforms,
});
export const selectedTailKernels = splitKernels('selected-tail', fromSelection, withTail, {
  bindings: { ...common, counted: 'read', ...tailBindings },
  uniforms: selectionUniforms,
});
export const selectedBlocksKernels = splitKernels('selected-blocks', fromSelection, withBlocks, {
  bindings: { ...common, counted: 'read', ...blockBindings },
  uniforms: selectionUniforms,
});

function splitKernels<
  const B extends Record<string, BindingKind>,
  const U extends Record<string, UniformType>,
>(
  name: string,
  tokens: Readonly<Record<KernelVariant, readonly KernelSource[]>> &
    Readonly<Record<'constants' | 'subgroupConstants', readonly string[]>>,
  rows: typeof withBlocks,
  declared: { readonly bindings: B; readonly uniforms: U },
) {
  const first = [stepSource, budgetSource];
  return {
    workgroup: defineKernel({
      name: `attend-${name}-workgroup`,
      sources: [...first, ...tokens.workgroup, ...rows.team, weighWorkgroup, ...teamSources, rows.main],
      ...declared,
      constants: [...teamConstants, ...tokens.constants],
    }),
    subgroup: defineKernel({
      name: `attend-${name}-subgroup`,
      sources: [
        ...['enable subgroups;', ...first, ...tokens.subgroup, ...rows.team],
        ...[weighSubgroup, ...teamSources, rows.main],
      ],
      ...declared,
      constants: [...teamConstants, ...tokens.constants, ...tokens.subgroupConstants],
      features: ['subgroups'],
    }),
    serial: defineKernel({
      name: `attend-${name}-serial`,
      sources: [...first, ...tokens.serial, ...rows.serial, dotsSource, serialSource, rows.mainSerial],
      ...declared,
      constants: [...serialConstants, ...tokens.constants],
    }),
  };
}
