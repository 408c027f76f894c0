import { describe, expect, it } from 'vitest';
import { createHealth, type ReadinessState, unreadyReason } from '../../../src/admission/health.ts';

const CPU = { id: 'cpu', state: 'READY' } as const;
const TEXT = { name: 'text', version: '1', state: 'READY' } as const;
const READY: ReadinessState = { stopping: false, started: true, devices: [CPU], models: [TEXT] };

describe('unreadyReason', () => {
  it.each<[string, Partial<ReadinessState>, string]>([
    ['everything is up', {}, ''],
    ['another device is down', { devices: [{ id: 'gpu:0', state: 'DOWN' }, CPU] }, ''],
    ['another model unloads', { models: [TEXT, { ...TEXT, name: 'old', state: 'UNLOADING' }] }, ''],
    ['another model loads later', { models: [TEXT, { ...TEXT, name: 'new', state: 'LOADING' }] }, ''],
    ['a model of the start still loads', { started: false, models: [TEXT, { ...TEXT, name: 'new', state: 'LOADING' }] }, 'models are loading: new version 1'],
    ['a model of the start failed', { started: false, models: [TEXT, { ...TEXT, name: 'bad', state: 'UNAVAILABLE' }] }, ''],
    ['the server stops', { stopping: true }, 'the server is stopping'],
    ['no device is ready', { devices: [{ id: 'gpu:0', state: 'DOWN' }, { id: 'cpu', state: 'RESTARTING' }] }, 'no device is ready: gpu:0 is DOWN, cpu is RESTARTING'],
    ['no device has started', { devices: [] }, 'no device is ready: none has started'],
    ['no model is ready', { models: [{ ...TEXT, state: 'UNAVAILABLE' }] }, 'no model is ready'],
    ['there is no model', { models: [] }, 'no model is ready'],
  ])('when %s', (_case, state, reason) => {
    expect(unreadyReason({ ...READY, ...state })).toBe(reason);
  });
});

describe('createHealth', () => {
  it('stays ready while another model loads, once it has been ready', () => {
    let models: ReadinessState['models'] = [{ ...TEXT, state: 'LOADING' }];
    let stopping = false;
    const health = createHealth({ stopping: () => stopping, devices: () => [CPU], models: () => models });
    expect(health.ready()).toBe(false);
    expect(health.reason()).toBe('models are loading: text version 1');
    models = [TEXT];
    expect(health.ready()).toBe(true);
    models = [TEXT, { ...TEXT, name: 'new', state: 'LOADING' }];
    expect(health.ready()).toBe(true);
    stopping = true;
    expect(health.ready()).toBe(false);
  });
});
