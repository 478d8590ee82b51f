; An example: distance, photon energy and ADU scale (data in keV) are nominal.
; Put in those of the experiment, and the positions of its detector.
;
; ePix10K geometry, written by geomlib 0.1.0
; 1 x 352 x 384 pixels (modules, slow scan, fast scan) of 100 um, 4 panels
;
; x to the left looking along the beam, y up, z along the beam; the beam is at x = y = 0.
; corner_x, corner_y: outer corner of the first pixel of a panel, in pixels;
; fs, ss: step of one pixel along fast and slow scan, in pixels; coffset: z in metres.

photon_energy = 9300  ; eV
clen = 0.3  ; detector distance in metres
adu_per_eV = 0.001

; The axes of the data are frame, slow scan, fast scan.
data = /entry_1/instrument_1/detector_1/data
dim0 = %
dim1 = ss
dim2 = fs
res = 10000  ; pixels per metre

; Groups of panels for CrystFEL 0.11 and later:
group_all = p0a0,p0a1,p0a2,p0a3

; The same for CrystFEL up to 0.10, and for cfelpyutils:
rigid_group_p0 = p0a0,p0a1,p0a2,p0a3

p0a0/min_fs = 0
p0a0/max_fs = 191
p0a0/min_ss = 0
p0a0/max_ss = 175
p0a0/fs = -1.0x +0.0y
p0a0/ss = +0.0x -1.0y
p0a0/corner_x = 193.5
p0a0/corner_y = 177.5
p0a0/coffset = 0

p0a1/min_fs = 192
p0a1/max_fs = 383
p0a1/min_ss = 0
p0a1/max_ss = 175
p0a1/fs = -1.0x +0.0y
p0a1/ss = +0.0x -1.0y
p0a1/corner_x = -1.5000000000000164
p0a1/corner_y = 177.5
p0a1/coffset = 0

p0a2/min_fs = 0
p0a2/max_fs = 191
p0a2/min_ss = 176
p0a2/max_ss = 351
p0a2/fs = -1.0x +0.0y
p0a2/ss = +0.0x -1.0y
p0a2/corner_x = 193.5
p0a2/corner_y = -1.5000000000000164
p0a2/coffset = 0

p0a3/min_fs = 192
p0a3/max_fs = 383
p0a3/min_ss = 176
p0a3/max_ss = 351
p0a3/fs = -1.0x +0.0y
p0a3/ss = +0.0x -1.0y
p0a3/corner_x = -1.5000000000000164
p0a3/corner_y = -1.5000000000000164
p0a3/coffset = 0

