; An example: distance, photon energy and ADU scale (data in keV) are nominal.
; Put in those of the experiment, and the positions of its detector.
;
; pnCCD geometry, written by geomlib 0.1.0
; 2 x 512 x 1024 pixels (modules, slow scan, fast scan) of 75 um, 2 panels
;
; x to the left looking along the beam, y up, z along the beam; the beam is at x = y = 0.
; corner_x, corner_y: outer corner of the first pixel of a panel, in pixels;
; fs, ss: step of one pixel along fast and slow scan, in pixels; coffset: z in metres.

photon_energy = 1500  ; eV
clen = 0.35  ; detector distance in metres
adu_per_eV = 0.001

; The axes of the data are frame, slow scan with modules stacked, fast scan.
data = /entry_1/instrument_1/detector_1/data
dim0 = %
dim1 = ss
dim2 = fs
res = 13333.333333333334  ; pixels per metre

; Groups of panels for CrystFEL 0.11 and later:
group_all = p0a0,p1a0

; The same for CrystFEL up to 0.10, and for cfelpyutils:
rigid_group_p0 = p0a0
rigid_group_p1 = p1a0
rigid_group_collection_modules = p0,p1

p0a0/min_fs = 0
p0a0/max_fs = 1023
p0a0/min_ss = 0
p0a0/max_ss = 511
p0a0/fs = +1.0x +0.0y
p0a0/ss = +0.0x -1.0y
p0a0/corner_x = -512
p0a0/corner_y = 538.6666666666667
p0a0/coffset = 0

p1a0/min_fs = 0
p1a0/max_fs = 1023
p1a0/min_ss = 512
p1a0/max_ss = 1023
p1a0/fs = +1.0x +0.0y
p1a0/ss = +0.0x -1.0y
p1a0/corner_x = -512
p1a0/corner_y = -26.66666666666667
p1a0/coffset = 0

