import { describe, expect, it } from 'vitest';
import { boundText, type Family, labelText, negotiateFormat, writeFamily } from '../../../src/metrics/exposition.ts';
import { Histogram } from '../../../src/metrics/histogram.ts';

const REQUESTS: Family = {
  name: 'requests_total',
  help: 'Requests.',
  type: 'counter',
  samples(emit) {
    emit('model="a"', 3);
    emit('', 4.5);
  },
};

describe('writeFamily', () => {
  it('writes Prometheus text', () => {
    expect(writeFamily(REQUESTS, 'prometheus')).toBe(
      '# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{model="a"} 3\nrequests_total 4.5\n',
    );
  });

  it('names a counter by its stem in OpenMetrics, and its samples with _total, whatever the plain name is', () => {
    expect(writeFamily(REQUESTS, 'openmetrics')).toBe(
      '# HELP requests Requests.\n# TYPE requests counter\nrequests_total{model="a"} 3\nrequests_total 4.5\n',
    );
    expect(writeFamily({ ...REQUESTS, name: 'nv_count' }, 'openmetrics')).toContain('# TYPE nv_count counter\nnv_count_total{model="a"} 3\n');
  });

  it('does not change what it is given: formats can alternate', () => {
    const before = writeFamily(REQUESTS, 'prometheus');
    writeFamily(REQUESTS, 'openmetrics');
    expect(writeFamily(REQUESTS, 'prometheus')).toBe(before);
  });

  it('writes histograms cumulatively, with +Inf, sum and count', () => {
    const histogram = new Histogram([0.5, 1]);
    for (const value of [0.5, 0.6, 1, 7]) histogram.observe(value);
    const text = writeFamily({ name: 'wait_seconds', help: 'Wait.', type: 'histogram', samples: (emit) => { emit('model="a"', histogram); } }, 'prometheus');
    expect(text.split('\n').slice(2)).toEqual([
      'wait_seconds_bucket{model="a",le="0.5"} 1',
      'wait_seconds_bucket{model="a",le="1.0"} 3',
      'wait_seconds_bucket{model="a",le="+Inf"} 4',
      'wait_seconds_sum{model="a"} 9.1',
      'wait_seconds_count{model="a"} 4',
      '',
    ]);
  });

  it('writes a histogram without labels, and values that are no numbers', () => {
    const empty: Family = { name: 'h', help: '', type: 'histogram', samples: (emit) => { emit('', new Histogram([1])); } };
    expect(writeFamily(empty, 'prometheus')).toContain('h_bucket{le="1.0"} 0\nh_bucket{le="+Inf"} 0\nh_sum 0\nh_count 0\n');
    const odd: Family = { name: 'g', help: '', type: 'gauge', samples: (emit) => { [Number.NaN, Infinity, -Infinity].forEach((value) => { emit('', value); }); } };
    expect(writeFamily(odd, 'prometheus')).toContain('g NaN\ng +Inf\ng -Inf\n');
  });
});

describe('labelText', () => {
  it('escapes values', () => {
    expect(labelText({ model: 'a"b\\c\nd', n: 1 })).toBe('model="a\\"b\\\\c\\nd",n="1"');
  });
});

describe('boundText', () => {
  it('is a canonical float', () => {
    expect([0.00025, 1, 30, Infinity].map(boundText)).toEqual(['0.00025', '1.0', '30.0', '+Inf']);
  });
});

describe('negotiateFormat', () => {
  it.each<[string | undefined, string]>([
    [undefined, 'prometheus'],
    ['*/*', 'prometheus'],
    ['text/plain', 'prometheus'],
    ['application/openmetrics-text', 'openmetrics'],
    ['application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2', 'openmetrics'],
    ['text/plain;q=0.9, application/openmetrics-text;q=0.5', 'prometheus'],
    ['application/openmetrics-text;q=0', 'prometheus'],
    ['application/openmetrics-text;q=nonsense', 'prometheus'],
  ])('%s is answered as %s', (accept, format) => {
    expect(negotiateFormat(accept)).toBe(format);
  });
});
