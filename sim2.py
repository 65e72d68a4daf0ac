import sys; sys.path.insert(0,'/tmp/hist')
import proto, numpy as np, math
rng=np.random.default_rng(2)
def ar(n,phi):
    e=rng.normal(size=n+50);y=np.zeros(n+50)
    for i in range(1,n+50): y[i]=phi*y[i-1]+e[i]
    return y[50:]*math.sqrt(1-phi*phi)
reg={'normal':lambda n:rng.normal(size=n),'trend.05':lambda n:rng.normal(size=n)+.05*np.arange(n),'trend.2':lambda n:rng.normal(size=n)+.2*np.arange(n),'ar.5':lambda n:ar(n,.5),'sine':lambda n:rng.normal(size=n)+1.5*np.sin(np.arange(n)/n*4*math.pi)}
T=120
for W,K in ((20,1.),(30,1.),(20,1.5),(10,1.)):
    proto.W=W
    for name,f in reg.items():
        print(W,K,name,[f"{sum(len(proto.changes(f(n),True,K)[0]) for _ in range(T))/(T*n)*100:.2f}" for n in (8,12,25,50,100)],flush=True)
    for d in (3,5):
        row=[]
        for n,old in ((8,2),(12,5),(25,2),(25,5),(50,2),(50,5),(100,20)):
            hit=0
            for _ in range(T):
                v=rng.normal(size=n); v[-old:]+=d
                hit+= any(abs(i-(n-old))<=1 for i in proto.changes(v,True,K)[0])
            row.append(f"{n}/{old}:{hit/T:.2f}")
        print(W,K,d,row,flush=True)
